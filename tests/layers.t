#!/usr/bin/env bash
# The house keeps its rooms: who may include whom, which library belongs to which file, and how
# files look. Runs on the source tree alone.
set -u
cd "$(dirname "$0")/.." || exit
n=0
shows() { # shows NAME OUTPUT: passes when there is no output
	n=$((n + 1))
	if [ -z "$2" ]; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		sed 's/^/# /' <<<"$2"
	fi
}

shows "bootstrap does not include the agent, nor the agent bootstrap" "$(
	for f in agent/*.[ch]; do
		grep -ho '^#include "[^"]*"' "$f" | cut -d'"' -f2 | while read -r h; do
			[ -e "agent/$h" ] || [ -e "include/$h" ] || echo "$f: $h"
		done
	done
	for f in bootstrap/*.[ch]; do
		grep -ho '^#include "[^"]*"' "$f" | cut -d'"' -f2 | while read -r h; do
			[ -e "bootstrap/$h" ] || [ -e "include/$h" ] || echo "$f: $h"
		done
	done
)"

shows "the core includes nothing above it" "$(
	for f in bootstrap/core/*.[ch] include/*.h; do
		grep -ho '^#include "[^"]*"' "$f" | cut -d'"' -f2 | while read -r h; do
			[ -e "bootstrap/core/$h" ] || [ -e "include/$h" ] || echo "$f: $h"
		done
	done
)"

shows "every header in include/ is a module of the core" "$(
	for h in include/*.h; do
		c=bootstrap/core/$(basename "$h" .h).c
		[ -e "$c" ] || echo "$h has no $c"
	done
)"

# header-pattern  its owners
owners='
curl/            bootstrap/core/http.c
ini.h            bootstrap/core/config-read.c
openssl/         bootstrap/core/digest.c
blkid/           bootstrap/blank.c
libmount         bootstrap/mount.c
archive.h        bootstrap/unpack-read.c
seccomp.h        agent/confine.c bootstrap/unpack-read.c
zlib.h           bootstrap/core/gzip.c
expat.h          bootstrap/core/xml.c
systemd/sd-bus.h bootstrap/manager-bus.h
systemd/sd-journal.h  bootstrap/core/log.c
systemd/sd-daemon.h   agent/agent.h
'
shows "a library's header is included by its owner only" "$(
	while read -r pattern owner; do
		[ -n "$pattern" ] || continue
		grep -rl "^#include <$pattern" agent bootstrap include | grep -vxF "${owner// /$'\n'}"
	done <<<"$owners"
)"

shows "every source file names its licence" "$(
	grep -rL 'SPDX-License-Identifier: Apache-2.0' --include='*.[ch]' agent bootstrap include tests
)"

shows "the top level has no other room" "$(
	git ls-tree --name-only HEAD 2>/dev/null | grep -vxE \
		'configure.ac|Makefile.am|agent|bootstrap|include|tests|packaging|README.md|LICENSE|\..*'
)"

if command -v clang-format-14 >/dev/null; then
	shows "the code looks as .clang-format says" "$(
		find agent bootstrap include tests -name '*.[ch]' -print0 |
			xargs -0 clang-format-14 --dry-run 2>&1 | grep -m 10 warning
	)"
else
	n=$((n + 1))
	echo "ok $n - the code looks as .clang-format says # SKIP there is no clang-format-14"
fi
echo "1..$n"
