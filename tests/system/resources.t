#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# No room, no memory, no write access, interrupted calls, and a clock that jumps: instancectl says
# what is wrong and with which file, nothing is corrupted, and the next run ends as it should.
#
#	KILLS=all tests/system/resources.t	each call and each allocation fails (some of them)
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/phases.sh"
phases_begin "$@"
export ASAN_OPTIONS=detect_leaks=0 # who ends with an error may end with something left

cc -std=gnu11 -D_GNU_SOURCE -fno-builtin -O1 -shared -fPIC -o "$work/preload.so" \
	"$top/tests/system/preload.c" -ldl || skip_all "tests/system/preload.c cannot be compiled"
# preload PROGRAM...: with its allocator before a sanitizer's, which is not there in every build
preload() {
	env ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 LD_PRELOAD="$work/preload.so" "$@"
}

# -- any call fails --

# Whatever it is that fails: a run ends by itself, and not without words about it.
disturbed() {
	[[ $report != hangs* ]] || echo "hangs"
	! grep -e Sanitizer -e 'runtime error' "$at/out"
	[ "$status" -le 3 ] || echo "ended with $status"
	[ "$status" = "$status_wanted" ] || grep -qE \
		'No space left|Input/output error|Read-only file|Too many open|failed with|signal|cannot' \
		"$at/out" || echo "does not say why"
}
kills=${KILLS:-4} actions=(ENOSPC EIO EROFS EMFILE)
begin drain drain
begin archive apply
begin page apply
begin ext4 apply
ended ext4 3 "calls of a format and a mount fail"
ended page 0 "calls that write a page fail"
ended archive 0 "calls that make a release fail"
ended drain 0 "calls of a drain fail"

# -- interrupted --

# interrupted PHASE COMMAND STATUS: each call that waits is, until it is tried again
interrupted() {
	local wanted
	place "interrupted-$1"
	"$1_set_up"
	"$1_before"
	again "$2"
	wanted=$("$1_end")
	"$1_before"
	traced all EINTR "$2"
	cp "$at/out" "$at/out.traced"
	again "$2" # what was started ended with the tracer
	[ "${report%% *} $("$1_end")" = "$3 $wanted" ]
	ok $? "each call of $2 that waits is interrupted before it is tried again: $1" "$report $(<"$at/out.traced")"
}
interrupted ext4 apply 3
interrupted archive apply 0
interrupted drain drain 0

# -- a full disk --

# full NAME DIRECTORY COMMAND: a file system of some pages without any left; the command must fail,
# name the directory, and do its work when there is room again
full() {
	local wanted
	mkdir -p "$2"
	mount -t tmpfs -o size=64k,mode=755 none "$2"
	head -c 1M /dev/zero >"$2/filler" 2>/dev/null
	run "$3"
	[ "$status" = 1 ] && [[ $out$err == *"$2"*"No space left on device"* ]]
	ok $? "a full disk for $1: is said, and what is full" "$status $out $err"
	is "and nothing is left of what did not fit" \
		"$(find "$2" -type f ! -name filler ! -name '*.lock' -size +0)" ""
	rm "$2/filler"
	run "$3"
	is "and the next run does it" "$status" 0
}
place full
app_set_up "file:$at/tree" '[index]' "path = $at/www/index.html" 'title = Hola'
release
full "the page" "$at/www" apply
umount "$at/www"
full "the app" "$at/web" apply
umount "$at/web"
full "the state" "$state" apply
full "a drain" "$state" drain
umount "$state" && umount "$state"
disk full-disk 16M
cat >"$conf" <<END
[volume data]
device = $dev
filesystem = ext4
mount = $at/mnt
END
full "the record of a format" "$data" apply
umount "$at/mnt" "$data"

# In the middle of an archive: its download, its unpacking.
place middle
mkdir -p "$at/tree" "$at/web"
mount -t tmpfs -o size=512k,mode=755 none "$at/web"
head -c 400K /dev/urandom >"$at/tree/data"
head -c 400K /dev/urandom >"$at/tree/more"
tar cf "$at/source.tar" -C "$at/tree" .
printf '%s\n' '[app web]' "source = file:$at/source.tar" "path = $at/web" >"$conf"
run apply
[ "$status" = 1 ] && [[ $out == *"$at/web/releases/"*"No space left on device"* ]]
ok $? "an archive that does not fit is said to, and where" "$status $out"
is "and nothing is left of it" "$(find "$at/web" -type f -size +0) $(readlink "$at/web/current")" " "
mount -o remount,size=4m "$at/web"
run apply
is "and the next run deploys it" "$status $(cmp "$at/web/current/data" "$at/tree/data" && echo same)" \
	"0 same"
umount "$at/web"

# -- a read-only file system --

# read_only NAME DIRECTORY
read_only() {
	mkdir -p "$2"
	mount -t tmpfs -o ro,mode=755 none "$2"
	run apply
	[ "$status" = 1 ] && [[ $out$err == *"$2"*"Read-only file system"* ]]
	ok $? "a read-only file system for $1: is said" "$status $out $err"
	mount -o remount,rw "$2"
	run apply
	is "and the next run does it" "$status" 0
	umount "$2"
}
place readonly
app_set_up "file:$at/tree" '[index]' "path = $at/www/index.html" 'title = Hola'
release
read_only "the page" "$at/www"
read_only "the app" "$at/web"
read_only "the state" "$state"
disk readonly-disk 16M
cat >"$conf" <<END
[volume data]
device = $dev
filesystem = ext4
mount = $at/ro/mnt
END
mkdir "$at/ro"
mount -t tmpfs -o ro none "$at/ro"
run apply
[ "$status" = 1 ] && [[ $out == *"$at/ro/mnt: Read-only file system"* ]]
ok $? "one where a mount point is to be made, too" "$status $out"
mount -o remount,rw "$at/ro"
run apply
is "and the next run mounts it" "$status $(mounted "$at/ro/mnt" | grep -c ext4)" "0 1"
umount "$at/ro/mnt" "$at/ro"

# -- no memory --

# without_memory PROGRAM JUDGE STEPS: functions; one allocation after the other fails
without_memory() {
	local i total step=1 bad=
	export COUNT_ALLOCATIONS=$at/count FAIL_ALLOCATION=0
	"$1" >"$at/out" 2>&1
	read -r total <"$at/count"
	[ "$kills" = all ] || step=$((total / $3 + 1))
	for ((i = RANDOM % step + 1; i <= total; i += step)); do
		FAIL_ALLOCATION=$i
		"$1" >"$at/out" 2>&1
		status=$?
		"$2" || bad+="allocation $i: $status $(<"$at/out")"$'\n'
	done
	unset COUNT_ALLOCATIONS FAIL_ALLOCATION
	is "each of $total allocations of ${1//_/ } fails once (every ${step}th)" "$bad" ""
}
is_clean() { # a sanitizer that has no memory itself is not our fault
	! grep -e Sanitizer -e 'runtime error' "$at/out" | grep -qv 'CHECK failed: sanitizer'
}
place memory
disk memory-disk 16M
app_set_up "file:$at/tree" '[index]' "path = $at/www/index.html" 'title = Hola' \
	'[volume data]' "device = $dev" 'filesystem = ext4' "mount = $at/mnt"
release
a_plan() { preload "$work/bin/instancectl" --config "$conf" --imds "$imds" --imds-timeout 1 \
	--state "$state" --data "$data" plan; }
a_plan >"$at/plan"
plan_is_good() { # all of it, or words
	[ "$status" -le 3 ] && is_clean &&
		{ cmp -s "$at/out" "$at/plan" || grep -qE \
			'allocate memory|no memory|no text|invalid token|expected near|no answer|CHECK failed: sanitizer' "$at/out"; }
}
without_memory a_plan plan_is_good 25

run apply
cp -a "$state" "$at/state-before"
release
an_apply() { # of the next version, whose allocations are as many each time
	rm -rf "$state" && cp -a "$at/state-before" "$state"
	preload "$work/bin/instancectl" --config "$conf" --imds "$imds" --state "$state" \
		--data "$data" apply
}
apply_is_good() {
	local broken
	broken=$(app_whole 2>&1)
	echo "$broken" >>"$at/out"
	[ "$status" -le 3 ] && is_clean && [ -z "$broken" ] && release
}
without_memory an_apply apply_is_good 10
umount "$at/mnt"
run apply
is "and the next apply ends as it should" "$status $(jq -r '.items[].status' "$state/state.json" | xargs)" \
	"0 ok ok ok"

free_port && url=http://127.0.0.1:$port
printf '%s\n' '[agent]' "listen = 127.0.0.1:$port" >>"$conf"
preload_agent() { # as this process
	exec env ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 LD_PRELOAD="$work/preload.so" \
		"$work/bin/instanced" --config "$conf" --state "$state"
}
an_agent() { # until it was asked for everything
	local path w pid status
	preload_agent &
	pid=$!
	for ((w = 0; w < 2000; w++)); do
		kill -0 $pid 2>/dev/null || break
		! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
		sleep 0.01
	done
	if kill -0 $pid 2>/dev/null; then
		for path in /instance/load /instance/health /metrics / /instance; do
			code $path >/dev/null
		done
		cp "$state/state.json" "$at/again" && mv "$at/again" "$state/state.json"
		ended_or_ready() { ! kill -0 $pid 2>/dev/null || code_is /instance 200; }
		wait_for 5 ended_or_ready || echo "not ready: $(get /instance)"
		kill -TERM $pid 2>/dev/null
	fi
	wait $pid
	status=$?
	return $status
}
agent_is_good() { # it ends with words, or goes on
	[ "$status" -le 1 ] && is_clean && ! grep -q 'not ready' "$at/out" &&
		{ [ "$status" = 0 ] || grep -q 'allocate memory' "$at/out"; }
}
without_memory an_agent agent_is_good 15

# -- a clock that jumps --

place clock
echo 0 >"$at/offset"
export CLOCK_OFFSET=$at/offset
jump() { # SECONDS
	echo "$1" >"$at/jump" && mv "$at/jump" "$at/offset"
}
now() { date +%s%N; }
took() { # FROM TO COMMAND...: it ends within these seconds
	local began
	began=$(now)
	"${@:3}"
	began=$((($(now) - began) / 1000000))
	[ $began -ge "$1"000 ] && [ $began -lt "$2"000 ]
	ok $? "... $1 to $2 s" "$began ms, $(<"$at/out")"
}
under_the_clock() {
	preload "$work/bin/instancectl" --config "$conf" --imds "$imds" --state "$state" \
		--data "$data" "$1" >"$at/out" 2>&1
}
printf '%s\n' '[volume data]' "device = /dev/xvdz" 'filesystem = ext4' "mount = $at/mnt" \
	'timeout = 3s' >"$conf"
for by in 7200 -7200; do
	jump 0
	(sleep 1 && jump $by) &
	echo "# a volume's time, and the clock jumps by $by s"
	took 2 60 under_the_clock apply
	wait $!
done
like "it is said then" "$(<"$at/out")" "xvdz"

free_port && app_port=$port
make_app "$at/tree" 1
printf '%s\n' '[lifecycle]' 'drain = 3s' 'quiet = 1h' '[app web]' "source = file:$at/tree" \
	"path = $at/web" "run = $python app.py" "env.PORT = $app_port" >"$conf"
under_the_clock apply
for by in 7200 -7200; do
	jump 0
	(wait_for 5 grep -q draining "$state/drain.json" && sleep 1 && jump $by) &
	echo "# a drain, and the clock jumps by $by s"
	took 2 60 under_the_clock drain
	wait $!
	under_the_clock undrain
done
jump 0
under_the_clock drain &
wait_for 5 grep -q draining "$state/drain.json"
pkill -KILL -P $!
wait $!
jump -7200
echo "# a drain that was killed, and goes on two hours earlier"
took 0 60 under_the_clock drain
is "and ends" "$(jq -r .phase "$state/drain.json")" drained
under_the_clock undrain
free_port && url=http://127.0.0.1:$port
printf '%s\n' '[agent]' "listen = 127.0.0.1:$port" >>"$conf"
preload_agent 2>>"$at/out" &
wait_for 10 code_is /instance 200
since=$(get /instance | jq -r .since)
for by in 7200 -7200; do
	jump $by
	sleep 2.2
	is "an agent whose clock jumps by $by s says since when it was so, and goes on" \
		"$(get /instance | jq -r .status,.since | xargs) $(get /instance/load | jq '.windows."1".seconds < 5')" \
		"ready $since true"
done
kill $!
wait $!
app_stop
unset CLOCK_OFFSET
done_testing
