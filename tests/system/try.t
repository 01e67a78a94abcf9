#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# packaging/try, the first thing that somebody runs: it does what it says, with and without root,
# and whatever happens to it, nothing of it is left.
. "$(dirname "$0")/lib.sh"
need losetup mkfs.xfs
in_namespaces "$@"
disk probe 16M || skip_all "no loop device can be attached here"
detach "$dev"
export TMPDIR=$work/tmp BUILD=$build NO_COLOR=1
install -d -m 1777 "$TMPDIR"

try() { # [COMMAND]...: runs it, with --exit; sets out and status
	out=$("$@" "$top/packaging/try" --exit 2>&1)
	status=$?
}

# What is there now and was not before: processes (in our PID namespace, beside us and who looks),
# mounts, loop devices, files.
left() {
	local name
	for name in /proc/[0-9]*/cmdline; do
		name=${name#/proc/} name=${name%/cmdline}
		[ "$name" = 1 ] || [ "$name" = $BASHPID ] || { [ -e "/proc/$name/exe" ] &&
			echo "process $(tr '\0' ' ' <"/proc/$name/cmdline")"; }
	done
	grep -F "$TMPDIR" /proc/self/mountinfo
	losetup --noheadings --output NAME,BACK-FILE | grep -F "$work"
	ls -A "$TMPDIR"
}
clean() { [ -z "$(left)" ]; }
nothing_left() { # NAME
	local found
	wait_for 10 clean
	found=$(left)
	is "$1" "$found" ""
}
checks() { sed -n '/^Checks$/,$p' <<<"$out"; }

# Others, of as many process numbers as possible, that it must leave alone.
for _ in {1..600}; do
	sleep infinity &
	others+=($!)
done
try env
is "it exits with 0" "$status" 0
is "and has ended no process of somebody else" "$(jobs -r | wc -l)" 600
kill "${others[@]}"
wait "${others[@]}" 2>/dev/null
[ "$status" = 0 ] || printf '%s\n' "$out" | sed 's/^/# /'
like "and says what it checked" "$(checks)" \
	"✓ the blank volume is formatted as xfs and mounted*✓ not one byte of it*✓ nothing is left"
unlike "all of it well" "$(checks)" "✗"
nothing_left "and nothing is"

# ended NAME SIGNAL COMMAND...: it gets this signal after the command
ended() {
	local began to
	: >"$work/out"
	setsid env --default-signal "$top/packaging/try" >"$work/out" 2>&1 &
	try=$!
	"${@:3}"
	began=$SECONDS
	[ "$2" = INT ] && to=-$try || to=$try # a terminal sends Ctrl-C to all of its processes
	kill "-$2" -- $to
	wait $try
	is "$1, it ends at once, with the signal's status" "$? $((SECONDS - began <= 15))" \
		"$((128 + $(kill -l "$2"))) 1"
	nothing_left "and nothing is left"
}
stays() { wait_for 30 grep -q 'Ctrl-C ends it' "$work/out"; }
ended "TERM while it begins" TERM sleep 0.3
ended "TERM while it works" TERM sleep 1
ended "TERM while it stays" TERM stays
ended "HUP when its terminal goes away" HUP sleep 2
ended "Ctrl-C" INT stays

# Half-way failures: a program that it needs is broken, in this namespace.
: >"$work/nothing"
path=$(readlink -f "$(command -v mkfs.xfs)")
mount --bind "$work/nothing" "$path"
try env
umount "$path"
is "when something fails half-way it exits with 1" "$status" 1
like "says what" "$(checks)" "✗ the blank volume is formatted as xfs and mounted"
nothing_left "and nothing is left"

# Somebody who is not root, and root in a container that may not mount.
cp -a "$build" "$TMPDIR/instanced-build-$NOBODY"
chown -R $NOBODY "$TMPDIR/instanced-build-$NOBODY"
BUILD=/proc try setpriv --reuid=$NOBODY --regid=$NOBODY --clear-groups
is "without root it exits with 0" "$status" 0
[ "$status" = 0 ] || printf '%s\n' "$out" | sed 's/^/# /'
like "names the volumes as skipped" "$(checks)" "skipped: the volumes, because not root"
like "and runs everything else" \
	"$(checks)" "✓ the web app gives three tasks*✓ /instance answers 200"
unlike "well" "$(checks)" "✗"
rm -r "$TMPDIR/instanced-build-$NOBODY"
nothing_left "and nothing is left"
try setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin
is "where mounts are not allowed it exits with 0" "$status" 0
[ "$status" = 0 ] || printf '%s\n' "$out" | sed 's/^/# /'
like "and names the volumes as skipped" "$(checks)" \
	"skipped: the volumes, because this machine does not allow mounts"
nothing_left "and nothing is left"

for port in 8080 8000; do
	$python -m http.server --bind 127.0.0.1 $port >/dev/null 2>&1 &
	servers[port]=$!
	wait_for 5 curl -s "http://127.0.0.1:$port/"
done
try env
is "busy ports are avoided" \
	"$status $(sed -n 's/^listen = //p; s/^env.PORT = //p' <<<"$out" | xargs)" "0 127.0.0.1:8081 8001"
kill "${servers[@]}"
wait "${servers[@]}" 2>/dev/null
nothing_left "and nothing is left"

run_help=$("$top/packaging/try" --help)
like "--help explains it" "$run_help" "sudo packaging/try [[]--exit]"
out=$("$top/packaging/try" --no-such-option 2>&1)
is "an unknown option is refused" $? 2
done_testing
