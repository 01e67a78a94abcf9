#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Ten minutes of processor time (FUZZ_SECONDS) for all fuzz targets: nothing is found.
# Runs beside the others, with what they leave of the processors.
. "$(dirname "$0")/../system/tap.sh"
cd "$(dirname "$0")/../.." || exit

for program in clang llvm-cov llvm-profdata; do
	command -v $program >/dev/null || skip_all "there is no $program"
done

report=$(nice -n 19 tests/fuzz/run "${FUZZ_SECONDS:-600}" 2>&1)
ended=$?
sed 's/^/# /' <<<"$report"
for target in tests/fuzz/*.c; do
	target=$(basename "$target" .c)
	line=$(grep "^$target " <<<"$report")
	[ -n "$line" ] && [[ $line != *BROKEN* ]]
	ok $? "$target: $(awk '{print $2 " inputs, " $4 " % of lines"}' <<<"$line")"
done
ok $ended "nothing was found"
done_testing
