# Appraisal of one GPU. `sampledevice` has no rule: a device without hardware stays contraindicated.
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
	good_chain(input.nvidia["x-nvidia-gpu-attestation-report-cert-chain"])
	input.nvidia["x-nvidia-gpu-attestation-report-cert-chain-fwid-match"] == true
	input.nvidia["x-nvidia-gpu-attestation-report-parsed"] == true
	input.nvidia["x-nvidia-gpu-attestation-report-signature-verified"] == true
	input.nvidia["x-nvidia-gpu-arch-check"] == true
}

configuration := 2 if {
	locked
	input.nvidia["x-nvidia-gpu-vbios-version"] in query_reference_value("allowed_vbios_versions")
	input.nvidia["x-nvidia-gpu-driver-version"] in query_reference_value("allowed_driver_versions")
} else := 3 if {
	locked
}

locked if {
	input.nvidia.secboot == true
	input.nvidia.dbgstat == "disabled"
}

# What is measured on the device is what the vendor published for this driver and this VBIOS.
executables := 3 if {
	good_chain(input.nvidia["x-nvidia-gpu-vbios-rim-cert-chain"])
	every image in ["driver", "vbios"] {
		every property in rim_properties {
			input.nvidia[sprintf("x-nvidia-gpu-%s-rim-%s", [image, property])] == true
		}
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
