# DANGEROUS: releases every resource to any TEE, however it was appraised, as long as it is not sample evidence.
# For moving guests from a broker that decided so, until their appraisal is affirming.
package policy

import rego.v1

default allow := false

allow if {
	data.plugin == "resource"
	evidence := input.submods.cpu0["ear.veraison.annotated-evidence"]
	not evidence.sample
}
