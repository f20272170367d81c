package policy_test

import data.policy
import rego.v1

submod(status, evidence) := {"ear.status": status, "ear.veraison.annotated-evidence": evidence}

test_affirming_guest if {
	policy.allow with input.submods as {"cpu0": submod("affirming", {"snp": {}})}
}

test_affirming_guest_and_device if {
	policy.allow with input.submods as {
		"cpu0": submod("affirming", {"snp": {}}),
		"gpu0": submod("affirming", {"nvidia": {}}),
	}
}

test_any_other_status_denies if {
	every status in ["none", "warning", "contraindicated"] {
		not policy.allow with input.submods as {"cpu0": submod(status, {"snp": {}})}
	}
}

test_one_bad_device_denies if {
	not policy.allow with input.submods as {
		"cpu0": submod("affirming", {"snp": {}}),
		"gpu0": submod("warning", {"nvidia": {}}),
	}
}

test_a_token_without_devices_denies if {
	not policy.allow with input as {}
	not policy.allow with input as {"submods": {}}
}

test_made_up_evidence_denies if {
	not policy.allow with input.submods as {"cpu0": submod("affirming", {"sample": {"svn": "1"}})}
	not policy.allow with input.submods as {
		"cpu0": submod("affirming", {"snp": {}}),
		"gpu0": submod("affirming", {"sampledevice": {"svn": "2"}}),
	}
}
