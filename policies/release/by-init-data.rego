# Releases a repository to the guests that were launched with an init-data document registered for it: which
# registry they pull from, which agent policy confines them. Every device must be affirming as well.
#
# Register the digests, as the token shows them in `init_data`:
#   keywarden reference-value set release/<repository>/init-data <digest>
package policy

import rego.v1

default allow := false

allow if {
	data.plugin == "resource"
	affirming
	registered := query_reference_value(concat("/", ["release", data["resource-path"][0], "init-data"]))
	is_array(registered)
	evidence.init_data in registered

	# Only guests that sent a document have claims; the register alone may hold anything, zeros included.
	is_object(evidence.init_data_claims)
}

evidence := input.submods.cpu0["ear.veraison.annotated-evidence"]

affirming if {
	every submod in input.submods {
		submod["ear.status"] == "affirming"
	}
	not evidence.sample
}
