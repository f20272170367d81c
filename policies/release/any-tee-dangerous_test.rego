package policy_test

import data.policy
import rego.v1

guest(evidence) := {"submods": {"cpu0": {
	"ear.status": "contraindicated",
	"ear.veraison.annotated-evidence": evidence,
}}}

test_any_hardware if {
	policy.allow with input as guest({"tdx": {}}) with data.plugin as "resource"
}

test_sample_evidence if {
	not policy.allow with input as guest({"sample": {"svn": "1"}}) with data.plugin as "resource"
}

test_a_token_without_evidence if {
	not policy.allow with input as {} with data.plugin as "resource"
}

test_other_plugins_stay_closed if {
	not policy.allow with input as guest({"tdx": {}}) with data.plugin as "pkcs11"
}
