package policy_test

import data.policy
import rego.v1

lookup(id) := object.get({"allowed_vbios_versions": ["v"], "allowed_driver_versions": ["d"]}, id, null)

chain := {"x-nvidia-cert-status": "valid", "x-nvidia-cert-ocsp-status": "good"}

rims := {name: true |
	some image in ["driver", "vbios"]
	some property in ["fetched", "measurements-available", "schema-validated", "signature-verified", "version-match"]
	name := sprintf("x-nvidia-gpu-%s-rim-%s", [image, property])
}

gpu := object.union(rims, {
	"x-nvidia-gpu-attestation-report-cert-chain": chain,
	"x-nvidia-gpu-attestation-report-cert-chain-fwid-match": true,
	"x-nvidia-gpu-attestation-report-parsed": true,
	"x-nvidia-gpu-attestation-report-signature-verified": true,
	"x-nvidia-gpu-arch-check": true,
	"x-nvidia-gpu-vbios-version": "v",
	"x-nvidia-gpu-driver-version": "d",
	"x-nvidia-gpu-vbios-rim-cert-chain": chain,
	"secboot": true,
	"dbgstat": "disabled",
	"measres": "success",
})

verdict(claims) := [claims.executables, claims.hardware, claims.configuration]

test_gpu_as_provisioned if {
	verdict(policy.trust_claims) == [3, 2, 2] with input as {"nvidia": gpu} with query_reference_value as lookup
}

test_gpu_with_another_driver if {
	other := object.union(gpu, {"x-nvidia-gpu-driver-version": "x"})
	verdict(policy.trust_claims) == [3, 2, 3] with input as {"nvidia": other} with query_reference_value as lookup
}

test_gpu_open_for_debugging if {
	other := object.union(gpu, {"dbgstat": "enabled"})
	verdict(policy.trust_claims) == [3, 2, 36] with input as {"nvidia": other} with query_reference_value as lookup
}

test_gpu_with_a_revoked_certificate if {
	revoked := {"x-nvidia-gpu-attestation-report-cert-chain": {"x-nvidia-cert-ocsp-status": "revoked"}}
	other := object.union(gpu, revoked)
	verdict(policy.trust_claims) == [3, 97, 2] with input as {"nvidia": other} with query_reference_value as lookup
}

test_every_property_of_the_measurements_counts if {
	every name, _ in rims {
		other := object.union(gpu, {name: false})
		verdict(policy.trust_claims) == [33, 2, 2] with input as {"nvidia": other} with query_reference_value as lookup
	}
}

test_a_device_without_hardware if {
	device := {"sampledevice": {"svn": "2"}}
	verdict(policy.trust_claims) == [33, 97, 36] with input as device with query_reference_value as lookup
}

test_every_proof_of_identity_counts if {
	every name in ["attestation-report-cert-chain-fwid-match", "attestation-report-parsed", "attestation-report-signature-verified", "arch-check"] {
		other := object.union(gpu, {sprintf("x-nvidia-gpu-%s", [name]): false})
		verdict(policy.trust_claims) == [3, 97, 2] with input as {"nvidia": other} with query_reference_value as lookup
	}
}

test_every_word_about_a_certificate_counts if {
	every word in ["x-nvidia-cert-ocsp-status", "x-nvidia-cert-status"] {
		bad := object.union(chain, {word: "x"})
		identity := object.union(gpu, {"x-nvidia-gpu-attestation-report-cert-chain": bad})
		verdict(policy.trust_claims) == [3, 97, 2] with input as {"nvidia": identity} with query_reference_value as lookup
		measurements := object.union(gpu, {"x-nvidia-gpu-vbios-rim-cert-chain": bad})
		verdict(policy.trust_claims) == [33, 2, 2] with input as {"nvidia": measurements} with query_reference_value as lookup
	}
}

test_every_setting_counts if {
	every name, value in {"secboot": false, "dbgstat": "enabled"} {
		other := object.union(gpu, {name: value})
		verdict(policy.trust_claims) == [3, 2, 36] with input as {"nvidia": other} with query_reference_value as lookup
	}
}

test_measurements_that_do_not_match if {
	other := object.union(gpu, {"measres": "fail"})
	verdict(policy.trust_claims) == [33, 2, 2] with input as {"nvidia": other} with query_reference_value as lookup
}

test_gpu_with_another_vbios if {
	other := object.union(gpu, {"x-nvidia-gpu-vbios-version": "x"})
	verdict(policy.trust_claims) == [3, 2, 3] with input as {"nvidia": other} with query_reference_value as lookup
}
