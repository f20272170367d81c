#!/usr/bin/env bash
# read-only.sh ROOT CONFIG DATA PROGRAM…: runs a program in an unpacked image as an orchestrator does that was asked for
# a read-only root file system: as process 1 and user 1000, with no more to write to than DATA. CONFIG lies over
# /etc/keywarden unless it is "-". Expects a mount namespace of its own (unshare --mount).
set -euo pipefail
root="$1" config="$2" data="$3"
shift 3
mount --make-rprivate /
mount --bind "$root" "$root"
mount --bind "$data" "$root/var/lib/keywarden"
[ "$config" = - ] || { mount --bind "$config" "$root/etc/keywarden" && mount -o remount,bind,ro "$root/etc/keywarden"; }
mount -o remount,bind,ro "$root"
# In a network namespace of its own this is needed; elsewhere it changes nothing.
ip link set lo up
cd "$root"
exec unshare --pid --fork --kill-child --root="$root" --wd=/var/lib/keywarden --setgid=1000 --setuid=1000 "$@"
