#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs alone: it saturates the machine.
#
# A drowning machine: four busy loops on each processor, a program that takes memory until it is
# killed, and writes that flush the page cache. With what instanced.service says of scheduling, as far
# as it can be had without systemd (Nice, CPUWeight, OOMScoreAdjust), 99.9 % of the health checks are
# answered within 50 ms, and the watchdog hears from the agent in time. What it takes amid the busy
# loops, without all that, is printed beside it.
#
# shellcheck disable=SC2034 # what lib.sh reads
. "$(dirname "$0")/lib.sh"
in_namespaces "$@"
plain_program
readonly P999_MAX_USEC=50000
readonly WATCHDOG_SECONDS=2 # the unit has more
readonly MEMORY=$((192 << 20)) # bytes, for who takes it, and for the writers
sim_start --instance-id i-0aa
place drowning
echo "[index]
path = $at/index.html" >"$conf"
run apply

unit() { sed -n "s/^$1=//p" "$top/packaging/systemd/instanced.service"; }
nice=$(unit Nice) weight=$(unit CPUWeight) oom=$(unit OOMScoreAdjust)
like "the unit says how it is scheduled" "$nice $weight $oom" "-[0-9]* [0-9]* -[0-9]*"

# Says when the agent sent what the watchdog waits for; it may itself be late to write that.
cat >"$work/notify.py" <<'END'
import os, socket, struct, sys
SO_TIMESTAMP = 29 # <asm-generic/socket.h>
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMP, 1)
manager.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
while True:
    message, [(_, _, when)], _, _ = manager.recvmsg(4096, 64)
    if b"WATCHDOG=1" in message:
        print("%d.%06d" % struct.unpack("ll", when), flush=True)
END
processors_first || echo "# there are no cgroups of CPU shares (version 1) here"
nice -n -15 $python "$work/notify.py" "$work/notify" >"$work/pings" &
wait_for 5 test -S "$work/notify"

# agent CGROUP NICE SHARES OOM: sets agent and url
agent() {
	free_port && url=http://127.0.0.1:$port
	printf '%s\n' "[agent]" "listen = 127.0.0.1:$port" "[index]" "path = $at/index.html" >"$work/$1.conf"
	{
		cgroup_join cpu "$1" "cpu.shares=$3"
		echo "$4" >/proc/self/oom_score_adj || echo "# OOMScoreAdjust cannot be had here"
		exec nice -n "$2" setpriv --reuid=$NOBODY --regid=$NOBODY --clear-groups "$program" \
			--config "$work/$1.conf" --state "$state" --imds "$imds"
	} 2>>"$work/agent.err" &
	agent=$!
	wait_for 10 curl -fs "$url/instance/live"
}
agent storm 0 1024 0
ordinary_port=$port
NOTIFY_SOCKET=$work/notify WATCHDOG_USEC=$((WATCHDOG_SECONDS * 1000000)) \
	agent installed "$nice" $((weight * 1024 / 100)) "$oom"

# The storm. It ends with the test.
mkdir "$work/storm"
limited=yes
(cgroup_join memory eater "memory.limit_in_bytes=$MEMORY") || limited=no
: >"$work/killed"
(
	cgroup_join cpu storm
	echo 1000 >/proc/self/oom_score_adj
	for ((i = 0; i < 4 * $(nproc); i++)); do
		(while :; do :; done) &
	done
	cgroup_join memory writers "memory.limit_in_bytes=$MEMORY"
	for i in 1 2; do
		while :; do
			dd if=/dev/zero of="$work/storm/$i" bs=1M count=256 conv=fdatasync
			rm "$work/storm/$i"
		done &
	done
	cgroup_join memory eater
	[ $limited = no ] || while :; do
		$python -c 'kept = []
while True: kept.append(b"x" * (8 << 20))'
		echo killed >>"$work/killed"
	done
) >/dev/null 2>&1 &
sleep 2
[ $limited = no ] || wait_for 60 test -s "$work/killed"
ask() { # PORT COUNT FILE: sets p50, p999
	"$build/tests/bench/health-checks" "$1" "$2" 5 >"$3" 2>"$3.err"
	asked=$?
	read -r p50 p999 < <(sort -n "$3" | awk '{ x[NR] = $1 } END {
		print x[int(NR * 0.5 + 0.5)], x[int(NR * 0.999 + 0.999)] }')
}
ask "$ordinary_port" 400 "$work/ordinary.usec"
echo "# with ordinary scheduling: half of the health checks within $p50 us, 99.9 % within $p999 us"
ask "$port" 2400 "$work/installed.usec"
[ $asked = 0 ] && [ "${p999:-999999}" -lt $P999_MAX_USEC ]
ok $? "with the unit's, 99.9 % of health checks are answered within 50 ms" \
	"$p999 us $(cat "$work/installed.usec.err")"
echo "# with the unit's: half of them within $p50 us, 99.9 % within $p999 us"
gap=$(awk 'NR > 1 && $1 - last > gap { gap = $1 - last } { last = $1 } END { print gap }' "$work/pings")
[ "$(wc -l <"$work/pings")" -ge 5 ] && awk "BEGIN { exit !($gap < $WATCHDOG_SECONDS) }"
ok $? "the watchdog hears from it in time" "$(wc -l <"$work/pings") times, at most $gap s between two"
if [ $limited = yes ]; then
	[ "$(wc -l <"$work/killed")" -gt 0 ]
	ok $? "memory ran out, and programs were killed" "$(wc -l <"$work/killed")"
else
	skip "memory ran out, and programs were killed" "no cgroups of memory (version 1)"
fi
kill -0 "$agent"
ok $? "but not the agent"
is "which says that the instance is ready, for a busy one is not a broken one" \
	"$(get /instance --max-time 20 | jq -r .status)" ready
echo "# watchdog: $(wc -l <"$work/pings") pings, at most $gap s between two;" \
	"$(wc -l <"$work/killed") programs killed for memory"
done_testing
