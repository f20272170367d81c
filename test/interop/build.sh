#!/usr/bin/env bash
# Builds the programs that read our tokens with other people's libraries: `build.sh [rust] [go] [python]`, all of them
# if none is named. Results are kept outside the repository under a name that changes with the sources.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/keywarden/interop"
mkdir -p "$cache"

note() { printf 'interop: %s\n' "$*" >&2; }

# test/support/interop.ts counts in the same way.
stamp() {
  (cd "$here/$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 cat | sha256sum | cut -c1-12)
}

build_go() {
  (cd "$here/go" && go build -trimpath -mod=readonly -o "$1.new" .) && mv "$1.new" "$1"
}

# The committed lock names no registry: where packages come from is this machine's business, and Cargo says it.
build_rust() {
  local work="$cache/rust" source
  mkdir -p "$work/src" &&
    cp "$here/rust/Cargo.toml" "$work/" &&
    cp "$here/rust/src/"*.rs "$work/src/" &&
    rm -f "$work/Cargo.lock" &&
    (cd "$work" && cargo generate-lockfile --quiet) &&
    source="$(grep -m1 '^source = ' "$work/Cargo.lock")" &&
    sed "s#^source = \"registry\"#${source//#/\\#}#" "$here/rust/locked.toml" >"$work/Cargo.lock" &&
    (cd "$work" && cargo build --locked --quiet) &&
    cp "$work/target/debug/keywarden-interop" "$1.new" &&
    mv "$1.new" "$1"
}

build_python() {
  rm -rf "$1.new" &&
    python3 -m venv "$1.new" &&
    "$1.new/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/python/requirements.txt" &&
    mv "$1.new" "$1"
}

declare -A tool=([rust]=cargo [go]=go [python]=python3)
failed=0
for program in "${@:-rust go python}"; do
  for each in $program; do
    target="$cache/$each-$(stamp "$each")"
    [ -e "$target" ] && continue
    command -v "${tool[$each]}" >/dev/null || { note "SKIPPED $each: there is no ${tool[$each]}"; continue; }
    note "building the $each program"
    rm -rf "$cache/$each"-*
    "build_$each" "$target" || { note "the $each program cannot be built"; failed=1; }
  done
done
exit "$failed"
