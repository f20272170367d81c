# Appraisal of one Hygon DCU: a known chip with the provisioned measurement, or contraindicated.
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

hardware := 2 if input.hygondcu.body.chip_id in query_reference_value("dcu_chip_ids")

executables := 3 if input.hygondcu.body.measure in query_reference_value("dcu_measurements")
