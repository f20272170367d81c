# Releases nothing. This is what a fresh install has, until an administrator sets another policy.
package policy

import rego.v1

default allow := false
