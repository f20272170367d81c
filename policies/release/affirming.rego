# Releases to guests of which every device was appraised as affirming. Evidence without hardware behind it never
# counts, whatever its appraisal says.
package policy

import rego.v1

default allow := false

allow if {
	count(input.submods) > 0
	every submod in input.submods {
		submod["ear.status"] == "affirming"
	}
	not made_up
}

made_up if {
	some submod in input.submods
	some tee in ["sample", "sampledevice"]
	submod["ear.veraison.annotated-evidence"][tee]
}
