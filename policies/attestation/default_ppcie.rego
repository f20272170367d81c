# Appraisal of a protected-PCIe topology. The verifier gives this result only when all GPUs and switches of a board
# name each other, so that it exists is the verdict; the devices themselves are appraised one by one.
package policy

import rego.v1

trust_claims := {
	"instance-identity": 0,
	"configuration": 2,
	"executables": 0,
	"file-system": 0,
	"hardware": 0,
	"runtime-opaque": 0,
	"storage-opaque": 0,
	"sourced-data": 0,
}
