#!/usr/bin/env bash
# The package for Graviton, built on another architecture: its programs are aarch64's, its unit
# tests pass under QEMU's user emulation, and it differs from this machine's package in nothing
# else. Leaves build/deb, and build/debian-arm64, which is made once.
set -u
PATH=$PATH:/usr/sbin:/sbin
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit
. tests/system/tap.sh

for program in dpkg-buildpackage dh mmdebstrap readelf; do
	command -v $program >/dev/null || skip_all "$program is not installed"
done
[ "$(id -u)" = 0 ] || skip_all "needs root for a chroot"
here=$(dpkg --print-architecture)
[ "$here" != arm64 ] || skip_all "this machine is arm64: its own package is this one"
work=$(mktemp -d) || skip_all "no temporary directory"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

log=build/deb/arm64.log
deb=$(packaging/deb/build --arch arm64 2>"$work/err")
status=$?
[ $status = 0 ] || ! grep -q 'mmdebstrap failed' "$work/err" ||
	! grep -qE 'resolv|connect|Failed to fetch|unreachable' $log ||
	skip_all "no Debian mirror can be reached"
ok $status "the .deb for arm64 is built" "$(cat "$work/err")"
[ $status = 0 ] || done_testing

dpkg-deb -x "$deb" "$work/deb"
is "both programs are aarch64's" "$(
	readelf -h "$work/deb/usr/bin/instancectl" "$work/deb/usr/sbin/instanced" |
		sed -n 's/^ *Machine: *//p' | sort | uniq -c | xargs
)" "2 AArch64"

if command -v qemu-aarch64-static >/dev/null; then
	grep -q 'prove --exec.*qemu-aarch64-static' $log && grep -qx 'Result: PASS' $log
	ok $? "its unit tests pass under qemu-user: $(grep '^Files=' $log | sed 's/, *[0-9]* wall.*//')" \
		"$(tail -n 30 $log)"
else
	skip "its unit tests pass under qemu-user" "qemu-user-static is not installed"
fi

version=$(dpkg-deb -f "$deb" Version)
native=build/deb/instanced_${version}_$here.deb
if [ -e "$native" ]; then
	is "it holds the same files as the package for $here, with the same modes" \
		"$(dpkg-deb -c "$deb" | awk '{ print $1, $2, $6 }')" \
		"$(dpkg-deb -c "$native" | awk '{ print $1, $2, $6 }')"
	is "and depends on the same packages" \
		"$(dpkg-deb -f "$deb" Depends)" "$(dpkg-deb -f "$native" Depends)"
else
	skip "it holds the same files as the package for $here" "$native is not there"
fi
done_testing
