package policy_test

import data.policy
import rego.v1

lookup(id) := object.get({"dpu_serials": ["s"], "dpu_firmware_ids": ["f"]}, id, null)

dpu(serial, firmware) := {"nvidia-dpu": {"device_serial": serial, "accumulated_fwid": firmware}}

verdict(claims) := [claims.executables, claims.hardware]

test_a_known_device_as_provisioned if {
	verdict(policy.trust_claims) == [3, 2] with input as dpu("s", "f") with query_reference_value as lookup
}

test_an_unknown_device_is_contraindicated if {
	verdict(policy.trust_claims) == [3, 97] with input as dpu("x", "f") with query_reference_value as lookup
}

test_another_firmware if {
	verdict(policy.trust_claims) == [33, 2] with input as dpu("s", "x") with query_reference_value as lookup
}
