# DANGEROUS: releases every resource to whoever holds a valid token: guests under a debugger, guests that run
# anything, evidence without hardware. For trying things out with secrets that are none.
package policy

import rego.v1

default allow := false

allow if data.plugin == "resource"
