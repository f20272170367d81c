# Appraisal of one NVSwitch.
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

# The device proved its identity with a certificate of the vendor that is still good.
hardware := 2 if {
	good_chain(input.nvidia["x-nvidia-switch-attestation-report-cert-chain"])
	input.nvidia["x-nvidia-switch-attestation-report-cert-chain-fwid-match"] == true
	input.nvidia["x-nvidia-switch-attestation-report-parsed"] == true
	input.nvidia["x-nvidia-switch-attestation-report-signature-verified"] == true
	input.nvidia["x-nvidia-switch-arch-check"] == true
}

configuration := 2 if {
	locked
	input.nvidia["x-nvidia-switch-bios-version"] in query_reference_value("allowed_switch_bios_versions")
} else := 3 if {
	locked
}

locked if {
	input.nvidia.secboot == true
	input.nvidia.dbgstat == "disabled"
}

# What is measured on the device is what the vendor published for this BIOS.
executables := 3 if {
	good_chain(input.nvidia["x-nvidia-switch-bios-rim-cert-chain"])
	every property in rim_properties {
		input.nvidia[sprintf("x-nvidia-switch-bios-rim-%s", [property])] == true
	}
	input.nvidia.measres == "success"
}

rim_properties := [
	"fetched",
	"measurements-available",
	"schema-validated",
	"signature-verified",
	"version-match",
]

good_chain(chain) if {
	chain["x-nvidia-cert-ocsp-status"] == "good"
	chain["x-nvidia-cert-status"] == "valid"
}
