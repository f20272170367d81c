# Releases a repository to the guests whose launch measurement is registered for it, so that teams can share one
# broker. Every device must be affirming as well.
#
# Register everything that was measured, as the token shows it: on SEV-SNP the launch measurement; on TDX MRTD, RTMR1 and
# RTMR2, as MRTD is about the firmware alone; on Azure the measurement and PCR 11, where the paravisor's guest is:
#   keywarden reference-value set release/<repository>/measurements <measurement> <the next one>
package policy

import rego.v1

default allow := false

allow if {
	data.plugin == "resource"
	affirming
	registered := query_reference_value(concat("/", ["release", data["resource-path"][0], "measurements"]))
	is_array(registered)
	known(registered)
}

evidence := input.submods.cpu0["ear.veraison.annotated-evidence"]

known(registered) if evidence.snp.measurement in registered

known(registered) if {
	every register in ["mr_td", "rtmr_1", "rtmr_2"] {
		evidence.tdx.quote.body[register] in registered
	}
}

known(registered) if {
	evidence["az-snp-vtpm"].measurement in registered
	evidence["az-snp-vtpm"].tpm.pcr11 in registered
}

affirming if {
	every submod in input.submods {
		submod["ear.status"] == "affirming"
	}
}
