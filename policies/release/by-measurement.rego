# Releases a repository to the guests whose launch measurement is registered for it, so that teams can share one
# broker. Every device must be affirming as well.
#
# Register the measurements, as the token shows them:
#   keywarden reference-value set release/<repository>/measurements <launch measurement>
package policy

import rego.v1

default allow := false

allow if {
	data.plugin == "resource"
	affirming
	registered := query_reference_value(concat("/", ["release", data["resource-path"][0], "measurements"]))
	is_array(registered)
	measurement in registered
}

evidence := input.submods.cpu0["ear.veraison.annotated-evidence"]

measurement := evidence.snp.measurement

measurement := evidence.tdx.quote.body.mr_td

measurement := evidence["az-snp-vtpm"].measurement

affirming if {
	every submod in input.submods {
		submod["ear.status"] == "affirming"
	}
}
