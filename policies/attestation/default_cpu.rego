# Appraisal of the primary device: is this genuine hardware, configured safely, running what was provisioned?
#
# Input: annotated evidence, that is the claims of one verified TEE below its name, beside them `report_data`,
# `init_data` and the claims these vouch for. Values to compare with are reference values; one that is unknown or
# expired is null, and null matches nothing below.
#
# The verdict is an AR4SI trustworthiness vector: 2 to 31 affirms, 32 to 95 warns, from 96 on it contraindicates.
# Evidence that no rule below recognises ends as contraindicated.
package policy

import rego.v1

default executables := 33

default hardware := 97

default configuration := 36

trust_claims := {
	"instance-identity": 0,
	"configuration": configuration,
	"executables": executables,
	"file-system": 0,
	"hardware": hardware,
	"runtime-opaque": 0,
	"storage-opaque": 0,
	"sourced-data": 0,
}

# --- sample: evidence without hardware, for trying the protocol -------------------------------------------------
# A verifier accepts it only in development, no value is registered unless somebody does, and the shipped release
# policies refuse it whatever stands here.

executables := 3 if input.sample.launch_digest in query_reference_value("launch_digest")

hardware := 2 if {
	input.sample.svn in query_reference_value("svn")
	input.sample.platform_version.major == query_reference_value("major_version")
	minimum := query_reference_value("minimum_minor_version")

	# In Rego every number is greater than null, so a missing minimum would be no minimum.
	is_number(minimum)
	input.sample.platform_version.minor >= minimum
}

configuration := 2 if input.sample.debug == false

# --- snp: AMD SEV-SNP -------------------------------------------------------------------------------------------

executables := 3 if input.snp.measurement in query_reference_value("snp_launch_measurement")

hardware := 2 if {
	input.snp.reported_tcb_bootloader in query_reference_value("snp_bootloader")
	input.snp.reported_tcb_microcode in query_reference_value("snp_microcode")
	input.snp.reported_tcb_snp in query_reference_value("snp_snp_svn")
	input.snp.reported_tcb_tee in query_reference_value("snp_tee_svn")
}

configuration := 2 if {
	snp_closed
	input.snp.platform_smt_enabled == query_reference_value("snp_smt_enabled")
	input.snp.platform_tsme_enabled == query_reference_value("snp_tsme_enabled")
	input.snp.policy_abi_major == query_reference_value("snp_guest_abi_major")
	input.snp.policy_abi_minor == query_reference_value("snp_guest_abi_minor")
	input.snp.policy_single_socket == query_reference_value("snp_single_socket")
	input.snp.policy_smt_allowed == query_reference_value("snp_smt_allowed")
} else := 3 if {
	snp_closed
}

# Neither a debugger nor a migration agent can look into the guest.
snp_closed if {
	input.snp.policy_debug_allowed == false
	input.snp.policy_migrate_ma == false
}

# --- tdx: Intel TDX ---------------------------------------------------------------------------------------------

executables := 3 if {
	tdx_boot_registers
	tdx_event_with_digest("EV_EFI_BOOT_SERVICES_APPLICATION", query_reference_value("tdvfkernel"), "kernel")
	tdx_event_with_digest("EV_EVENT_TAG", query_reference_value("tdvfkernelparams"), "parameters")
} else := 4 if {
	# A boot loader between firmware and kernel leaves no such events; the registers still hold all of it.
	tdx_boot_registers
}

tdx_boot_registers if {
	input.tdx.quote.body.rtmr_1 in query_reference_value("rtmr_1")
	input.tdx.quote.body.rtmr_2 in query_reference_value("rtmr_2")
}

tdx_event_with_digest(type_name, digest, kind) if {
	some event in input.tdx.uefi_event_logs
	event.type_name == type_name
	tdx_event_kind(event) == kind
	some measured in event.digests
	measured.digest == digest
}

tdx_event_kind(event) := "kernel" if "File(kernel)" in event.details.device_paths

tdx_event_kind(event) := "parameters" if event.details.string == "LOADED_IMAGE::LoadOptions"

hardware := 2 if {
	intel_tdx(input.tdx.quote.header)
	input.tdx.quote.body.mr_td in query_reference_value("mr_td")
	input.tdx.tcb_status == "UpToDate"
	input.tdx.collateral_expiration_status == "0"
}

configuration := 2 if {
	input.tdx.td_attributes.debug == false
	input.tdx.quote.body.xfam in query_reference_value("xfam")
}

intel_tdx(header) if {
	header.tee_type == "81000000"
	header.vendor_id == intel_vendor_id
}

intel_vendor_id := "939a7233f79c4ca9940a0db3957f0607"

# --- az-snp-vtpm: SEV-SNP behind the paravisor of Azure ---------------------------------------------------------
# Every claim of this TEE is text, so its reference values are lists of text.

executables := 3 if {
	azure_snp.measurement in query_reference_value("measurement")
	azure_snp.tpm.pcr11 in query_reference_value("snp_pcr11")
}

hardware := 2 if {
	azure_snp.reported_tcb_bootloader in query_reference_value("tcb_bootloader")
	azure_snp.reported_tcb_microcode in query_reference_value("tcb_microcode")
	azure_snp.reported_tcb_snp in query_reference_value("tcb_snp")
	azure_snp.reported_tcb_tee in query_reference_value("tcb_tee")
}

configuration := 2 if {
	azure_snp.policy_debug_allowed == "false"
	azure_snp.platform_smt_enabled in query_reference_value("smt_enabled")
	azure_snp.platform_tsme_enabled in query_reference_value("tsme_enabled")
	azure_snp.policy_abi_major in query_reference_value("abi_major")
	azure_snp.policy_abi_minor in query_reference_value("abi_minor")
	azure_snp.policy_single_socket in query_reference_value("single_socket")
	azure_snp.policy_smt_allowed in query_reference_value("smt_allowed")
}

azure_snp := input["az-snp-vtpm"]

# --- az-tdx-vtpm: TDX behind the paravisor of Azure -------------------------------------------------------------

executables := 3 if azure_tdx.tpm.pcr11 in query_reference_value("tdx_pcr11")

hardware := 2 if {
	intel_tdx(azure_tdx.quote.header)
	azure_tdx.quote.body.mr_td in query_reference_value("mr_td")
	azure_tdx.tcb_status == "UpToDate"
	not azure_tdx.collateral_expiration_status == "1"
}

configuration := 2 if {
	not azure_tdx.td_attributes.debug == true
	azure_tdx.quote.body.xfam in query_reference_value("xfam")
}

azure_tdx := input["az-tdx-vtpm"]

# --- tpm: a TPM without a confidential guest --------------------------------------------------------------------
# The hardware claim says no more than that some TPM signed. Only `trusted_aks` ties it to a known one.

executables := 3 if {
	input.tpm.pcr11 in query_reference_value("tpm_pcr11")
	input.tpm.ak_public in query_reference_value("trusted_aks")
}

hardware := 2 if input.tpm

configuration := 0 if input.tpm

# --- se: IBM Secure Execution -----------------------------------------------------------------------------------
# Its verifier works with keys that only a prepared image and host can know; there is nothing left to compare.

executables := 3 if input.se

hardware := 2 if input.se

configuration := 2 if input.se

# --- sgx: Intel SGX ---------------------------------------------------------------------------------------------
# Nothing is affirmed until it is registered what is; the list of TCB statuses among it, as enclaves on platforms that
# need hardening are common, and whether that will do is no question for a default.

executables := 3 if sgx_known_enclave

sgx_known_enclave if input.sgx.body.mr_enclave in query_reference_value("sgx_mr_enclave")

sgx_known_enclave if {
	input.sgx.body.mr_signer in query_reference_value("sgx_mr_signer")
	input.sgx.body.isv_prod_id in query_reference_value("sgx_isv_prod_id")
	input.sgx.body.isv_svn in query_reference_value("sgx_isv_svn")
}

hardware := 2 if {
	input.sgx.header.vendor_id == intel_vendor_id
	input.sgx.tcb_status in query_reference_value("sgx_tcb_statuses")
	input.sgx.collateral_expiration_status == "0"
}

# A list of flags that holds those of an enclave under a debugger does not make it a good one.
configuration := 2 if {
	input.sgx.debug == false
	input.sgx.body["attributes.flags"] in query_reference_value("sgx_attributes_flags")
}

# --- cca: Arm CCA -----------------------------------------------------------------------------------------------

executables := 3 if input.cca.realm["cca-realm-initial-measurement"] in query_reference_value("cca_realm_initial_measurement")

hardware := 2 if input.cca.platform["cca-platform-implementation-id"] in query_reference_value("cca_implementation_ids")

configuration := 2 if {
	lifecycle := input.cca.platform["cca-platform-lifecycle"]

	# 0x3000 to 0x30ff: secured. Only numbers lie between two numbers.
	lifecycle >= 12288
	lifecycle <= 12543
	input.cca.platform["cca-platform-config"] in query_reference_value("cca_platform_configs")
}

# --- csv: Hygon CSV ---------------------------------------------------------------------------------------------

executables := 3 if input.csv.measure in query_reference_value("csv_measure")

hardware := 2 if input.csv.serial_number in query_reference_value("csv_serial_numbers")

configuration := 2 if {
	input.csv.policy.nodbg == 1
	input.csv.policy in query_reference_value("csv_policies")
}

# --- what the token says beside the vector ----------------------------------------------------------------------

extensions := [{"name": "ear.trustee.identifiers", "key": -18, "value": {"validated": validated}}]

# Images and users that the agent policy, bound by the init-data digest, confines the guest to.
validated := object.union_n([container_images, container_uids])

containers := input.init_data_claims.agent_policy_claims.containers

image_names := [name |
	some container in containers
	name := container.OCI.Annotations["io.kubernetes.cri.image-name"]
]

uids := [uid |
	some container in containers
	uid := container.OCI.Process.User.UID
]

default container_images := {}

container_images := {"container_images": image_names} if count(image_names) > 0

default container_uids := {}

container_uids := {"container_uids": uids} if count(uids) > 0
