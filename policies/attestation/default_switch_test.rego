package policy_test

import data.policy
import rego.v1

lookup(id) := object.get({"allowed_switch_bios_versions": ["b"]}, id, null)

chain := {"x-nvidia-cert-status": "valid", "x-nvidia-cert-ocsp-status": "good"}

rims := {name: true |
	some property in ["fetched", "measurements-available", "schema-validated", "signature-verified", "version-match"]
	name := sprintf("x-nvidia-switch-bios-rim-%s", [property])
}

switch := object.union(rims, {
	"x-nvidia-switch-attestation-report-cert-chain": chain,
	"x-nvidia-switch-attestation-report-cert-chain-fwid-match": true,
	"x-nvidia-switch-attestation-report-parsed": true,
	"x-nvidia-switch-attestation-report-signature-verified": true,
	"x-nvidia-switch-arch-check": true,
	"x-nvidia-switch-bios-version": "b",
	"x-nvidia-switch-bios-rim-cert-chain": chain,
	"secboot": true,
	"dbgstat": "disabled",
	"measres": "success",
})

verdict(claims) := [claims.executables, claims.hardware, claims.configuration]

test_switch_as_provisioned if {
	verdict(policy.trust_claims) == [3, 2, 2] with input as {"nvidia": switch} with query_reference_value as lookup
}

test_switch_with_another_bios if {
	other := object.union(switch, {"x-nvidia-switch-bios-version": "x"})
	verdict(policy.trust_claims) == [3, 2, 3] with input as {"nvidia": other} with query_reference_value as lookup
}

test_switch_without_secure_boot if {
	other := object.union(switch, {"secboot": false})
	verdict(policy.trust_claims) == [3, 2, 36] with input as {"nvidia": other} with query_reference_value as lookup
}

test_every_property_of_the_measurements_counts if {
	every name, _ in rims {
		other := object.union(switch, {name: false})
		verdict(policy.trust_claims) == [33, 2, 2] with input as {"nvidia": other} with query_reference_value as lookup
	}
}

test_every_proof_of_identity_counts if {
	every name in ["attestation-report-cert-chain-fwid-match", "attestation-report-parsed", "attestation-report-signature-verified", "arch-check"] {
		other := object.union(switch, {sprintf("x-nvidia-switch-%s", [name]): false})
		verdict(policy.trust_claims) == [3, 97, 2] with input as {"nvidia": other} with query_reference_value as lookup
	}
}

test_every_word_about_a_certificate_counts if {
	every word in ["x-nvidia-cert-ocsp-status", "x-nvidia-cert-status"] {
		bad := object.union(chain, {word: "x"})
		identity := object.union(switch, {"x-nvidia-switch-attestation-report-cert-chain": bad})
		verdict(policy.trust_claims) == [3, 97, 2] with input as {"nvidia": identity} with query_reference_value as lookup
		measurements := object.union(switch, {"x-nvidia-switch-bios-rim-cert-chain": bad})
		verdict(policy.trust_claims) == [33, 2, 2] with input as {"nvidia": measurements} with query_reference_value as lookup
	}
}

test_every_setting_counts if {
	every name, value in {"secboot": false, "dbgstat": "enabled"} {
		other := object.union(switch, {name: value})
		verdict(policy.trust_claims) == [3, 2, 36] with input as {"nvidia": other} with query_reference_value as lookup
	}
}

test_measurements_that_do_not_match if {
	other := object.union(switch, {"measres": "fail"})
	verdict(policy.trust_claims) == [33, 2, 2] with input as {"nvidia": other} with query_reference_value as lookup
}
