# Appraisal of one NVIDIA DPU: a known device with the provisioned firmware, or contraindicated.
package policy

import rego.v1

default executables := 33

default hardware := 97

trust_claims := {
	"instance-identity": 0,
	"configuration": 36,
	"executables": executables,
	"file-system": 0,
	"hardware": hardware,
	"runtime-opaque": 0,
	"storage-opaque": 0,
	"sourced-data": 0,
}

hardware := 2 if input["nvidia-dpu"].device_serial in query_reference_value("dpu_serials")

executables := 3 if input["nvidia-dpu"].accumulated_fwid in query_reference_value("dpu_firmware_ids")
