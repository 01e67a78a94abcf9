#!/usr/bin/env bash
# The tarball is whole: it builds outside its tree without a warning, passes its unit tests,
# installs and uninstalls without a trace.
set -u
cd "$(dirname "$0")/.." || exit
build=${BUILD:-$PWD/build}
echo 1..1
[ -e "$build/Makefile" ] || { echo "ok 1 - make distcheck # SKIP $build is not configured"; exit; }
if make -C "$build" -j"$(nproc)" distcheck DISTCHECK_CONFIGURE_FLAGS=--enable-werror \
	>"$build/distcheck.log" 2>&1; then
	echo "ok 1 - make distcheck works"
else
	echo "not ok 1 - make distcheck works"
	tail -n 30 "$build/distcheck.log" | sed 's/^/# /'
fi
