#!/usr/bin/env bash
# Makes the root file system that stands in for the base image `node:24-bookworm-slim` where no image registry is
# within reach: Debian as its own tools install it, Node.js 24 and npm as npm publishes them. Prints the path of the
# tar archive, which is kept outside the repository under a name that changes with this file.
# Needs mmdebstrap and npm; root, for the owners of files.
set -euo pipefail

readonly folder="${XDG_CACHE_HOME:-$HOME/.cache}/keywarden/image"
stamp="$(sha256sum "${BASH_SOURCE[0]}" | cut -c1-12)"
readonly archive="$folder/base-$stamp.tar"
if [ -s "$archive" ]; then
  printf '%s\n' "$archive"
  exit 0
fi

mkdir -p "$folder"
work="$(mktemp -d)"
readonly work
trap 'rm -rf -- "$work"' EXIT

npm install --prefix "$work/node" --no-save --no-audit --no-fund --loglevel=error node@24 npm@11 >&2 &
readonly node=$!
mmdebstrap --quiet --variant=minbase --include=ca-certificates --format=tar bookworm "$work/base.tar" >&2
wait "$node"

# As in the image that it stands in for: everything of Node.js below /usr/local.
readonly local="$work/extra/usr/local"
mkdir -p "$local/bin" "$local/lib/node_modules"
cp "$work/node/node_modules/node/bin/node" "$local/bin/node"
cp -R "$work/node/node_modules/npm" "$local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$local/bin/npm"
tar -C "$work/extra" --owner=0 --group=0 --append --file "$work/base.tar" usr/local/bin usr/local/lib

mv "$work/base.tar" "$archive.partial"
mv "$archive.partial" "$archive"
printf '%s\n' "$archive"
