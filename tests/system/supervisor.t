#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Programs are run in a clean place and nothing of them is left (spawn), and an app is kept running by
# its supervisor until it is told to stop: real processes, on the loopback interface. BUILD is the
# build directory.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-$top/build}
python=/usr/bin/python3
. "$(dirname "$0")/tap.sh"
readonly WAIT_STEPS=200 # of 50 ms

[ "$(id -u)" = 0 ] || skip_all "needs root to run an app as another user"
[ -x "$build/tests/system/release-drive" ] || skip_all "tests/system/release-drive is not built"
type $python curl >/dev/null 2>&1 || skip_all "python3 or curl is not installed"
work=$(mktemp -d) || skip_all "no temporary directory"
chmod 755 "$work"
drive=$work/drive # a copy where an unprivileged user may run it
cp "$build/tests/system/release-drive" "$drive"
state=$work/state
mark=$((RANDOM % 9000 + 70000)) # sleeps of this many seconds are ours

clean_up() {
	"$drive" stop name=web state="$state" path="$work/app" 2>/dev/null
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

until_true() { # COMMAND...
	for _ in $(seq $WAIT_STEPS); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	return 1
}

sleepers() { pgrep -f "^sleep $mark$1" | wc -l; }
sleeping() { [ "$(sleepers "$1")" = "$2" ]; }

# -- spawn --

run() { # KEY=VALUE...: sets out, err, status
	out=$("$drive" run path="$work" "$@" 2>"$work/err")
	status=$?
	err=$(cat "$work/err")
}

is "a program has its user's groups, and none of ours" \
	"$(setpriv --groups 4,20 "$drive" run path=/ user=games run='id -Gn')" "$(id -Gn games)"
umask 077
exec 7</etc/passwd
run user=games run='id -un; id -Gn; umask; pwd; readlink /proc/self/fd/0; ls /proc/self/fd | wc -l'
exec 7<&-
umask 022
is "a program has its user, groups, umask, directory, input, and no open file of ours" \
	"$(echo $out)" "games $(id -Gn games) 0022 $work /dev/null 4"
is "and no environment but the clean one" \
	"$(SECRET=x "$drive" run path=/ env=PORT=80 env=LANG=C run=env | grep -v PWD | sort | tr '\n' ' ')" \
	"HOME=/root LANG=C LOGNAME=root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PORT=80 USER=root "
is "no signal is ignored or blocked" \
	"$(trap '' PIPE HUP; "$drive" run path=/ run='grep -E "Sig(Blk|Ign)" /proc/self/status' | awk '{print $2}' | sort -u)" \
	0000000000000000
run nofile=4321 run='ulimit -Sn; ulimit -Hn'
is "it has the limit of open files" "$(echo $out)" "4321 4321"
run run='echo one; echo two >&2; exit 9'
is "a failure has its status and last words" "$err" "ECHILD: the line failed with exit status 9: one / two"
run run='kill -SEGV $$'
is "or its signal" "$err" "ECHILD: the line failed with signal SEGV"
run run="seq 1 100000; printf '\033[31mred\033[0m\n'; exit 1"
[[ $err == *"99999 / 100000 / [31mred [0m" ]]
ok $? "of much output the end is kept, without control characters" "$err"
err=$("$drive" exec run=no-such-program 2>&1)
is "a program that is missing is named with its package" "$err" \
	"ENOENT: no-such-program is not installed (package some-package has it)"
printf '#!/no/such/interpreter\n' >"$work/script" && chmod 755 "$work/script"
run timeout=2 run="exec sleep ${mark}1"
is "one that does not end is ended" "$err" "ETIMEDOUT: the line did not end within 2 s"
run timeout=1 run="trap '' TERM; (trap '' TERM; exec sleep ${mark}2) & exec sleep 4.5"
until_true sleeping 2 0 # it is killed, but not waited for
is "and what ignores TERM is not waited for longer than it lives" "$status $(sleepers 2)" "1 0"
daemon_runs="until pgrep -f '^sleep ${mark}4' >/dev/null; do sleep 0.05; done"
run run="sleep ${mark}3 & (setsid sleep ${mark}4 & echo \$! >daemon) ; $daemon_runs; echo done"
until_true sleeping 3 0 # as above
is "its process group ends with it, a daemon of its own session does not" \
	"$out $(sleepers 3) $(sleepers 4)" "done 0 1"
kill "$(cat "$work/daemon")"
until_true sleeping 4 0
run keep=0 run="sleep ${mark}3 & (setsid sleep ${mark}4 &) ; $daemon_runs; echo done"
is "alone, nothing at all is left" "$out $(sleepers 3) $(sleepers 4)" "done 0 0"
"$drive" run path=/ keep=0 run="sleep ${mark}5 & (setsid sleep ${mark}6 &) ; wait; sleep 1" 2>/dev/null &
until_true sleeping '[56]' 2
{ kill -KILL $! && wait $!; } 2>/dev/null
until_true sleeping '[56]' 0 # its time would only be over later
is "nor when the caller is killed" "$(sleepers '[56]')" 0

# -- the supervisor --

port=$($python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir "$work/source" && echo hello >"$work/source/index.txt"
line="$python -u -m http.server \$PORT --bind 127.0.0.1"
app() { # COMMAND KEY=VALUE...
	"$drive" "$1" path="$work/app" state="$state" source="file:$work/source" user=nobody \
		env=PORT="$port" nofile=1234 run="$line" "${@:2}" 2>&1
}
field() { # NAME: of the status line
	app status | sed -n "s/.*$1 \([0-9]*\).*/\1/p"
}
answers() { curl -sf "http://127.0.0.1:$port/index.txt"; }
refuses() { ! answers; }
restarted() { [ "$(field restarts)" -ge "$1" ] && [ "$(field app)" -gt 0 ]; }

release=$(app deploy)
is "nothing runs at first" "$(app status)" stopped
app start >/dev/null
ok $? "an app is started"
until_true answers
ok $? "and answers"
supervisor=$(field pid) process=$(field app)
is "the status has its release and its configuration" "$(app status)" \
	"running $release pid $supervisor app $process restarts 0 as configured"
is "it is the app's user, in the release's directory, with its limit" \
	"$(stat -c %U /proc/$process) $(readlink /proc/$process/cwd) $(awk '/open files/ {print $4, $5}' /proc/$process/limits)" \
	"nobody $work/app/releases/$release 1234 1234"
is "it holds nothing of the state directory" "$(ls -l /proc/$process/fd | grep -c "$state")" 0
is "the supervisor has a name" "$(cat /proc/$supervisor/comm)" app-web
is "and no terminal and no file of who started it" \
	"$(ls -l /proc/$supervisor/fd | grep -c -e pts -e "$work/err")" 0
is "the state is root's, and readable" "$(stat -c '%a %U %n' "$state"/app-web.* | sed "s|$state/||" | tr '\n' ' ')" \
	"644 root app-web.json 644 root app-web.lock 640 root app-web.log "
is "anybody may ask" "$(setpriv --reuid=nobody --regid=nogroup --clear-groups "$drive" status name=web \
	path="$work/app" state="$state" run="$line" user=nobody env=PORT="$port" nofile=1234)" "$(app status)"
app start >/dev/null
is "a second start finds it running" "$? $(field pid)" "0 $supervisor"
[[ $(app start env=MORE=1) == *"is running $release with another configuration"* ]]
ok $? "one with another configuration says that it must be stopped first"
is "asking about another configuration says so" "$(app status env=MORE=1 | grep -c otherwise)" 1

kill -KILL "$process"
until_true restarted 1
ok $? "a killed app is started again"
until_true answers
ok $? "and answers again"
is "by the same supervisor" "$(field pid)" "$supervisor"
grep -q 'instancectl: ended with signal KILL; again in 0.1 s' "$state/app-web.log"
ok $? "and the log tells of it" "$(cat "$state/app-web.log")"
process=$(field app)
kill -TERM "$supervisor"
until_true refuses
until_true test ! -e /proc/$supervisor
is "TERM to the supervisor ends the app" "$(app status) $(ls -d /proc/$process /proc/$supervisor 2>/dev/null)" "stopped "
is "and leaves its log only" "$(ls "$state")" app-web.log
app stop >/dev/null
is "stopping what is stopped is well" $? 0

for i in 1 2 3 4 5 6; do app start & done >/dev/null
wait
until_true answers
is "of six starts at once, one is the app's" "$(pgrep -fc "^$python -u -m http.server $port ")" 1
app stop >/dev/null
is "stop waits until it has ended" "$? $(pgrep -fc "^$python -u -m http.server $port ") $(app status)" "0 0 stopped"

line="sh -c \"trap '' TERM; (setsid sleep ${mark}7 &); sleep ${mark}8 & while :; do sleep 0.1; done\""
app start >/dev/null
until_true sleeping '[78]' 2
started=$SECONDS
app stop >/dev/null
is "an app that ignores TERM is killed, with all that it started" \
	"$? $(sleepers '[78]') $((SECONDS - started >= 9 && SECONDS - started <= 24))" "0 0 1"

line="sh -c \"(setsid sleep ${mark}7 &); sleep 0.2; exit 3\""
app start >/dev/null
until_true restarted 2
is "each start begins without what the last one left" "$(($(sleepers 7) <= 1))" 1
app stop >/dev/null
is "and nothing of it is left" "$(sleepers 7)" 0

line="sh -c 'yes 0123456789abcdef | head -c 5000000; exec sleep ${mark}9'"
app start >/dev/null
until_true sleeping 9 1
until_true test -e "$state/app-web.log.1"
sleep 0.5
is "the log is bounded" "$(($(cat "$state"/app-web.log* | wc -c) <= 2097152)) $(ls "$state" | grep -c log)" "1 2"
supervisor=$(field pid)
process=$(field app)
kill -KILL "$supervisor"
until_true sleeping 9 0
ok $? "an app does not outlive a killed supervisor"
is "whose record then counts for nothing" "$(app status)" stopped
app start >/dev/null
is "and does not hinder the next" "$? $(field restarts)" "0 0"
app stop >/dev/null
[[ $(app start user=no-such-user) == *"no user no-such-user"* ]]
ok $? "a user who does not exist is named"
is "and nothing runs" "$(app status)" stopped
line=/no/such/program
app start >/dev/null
until_true grep -q 'ended with exit status 127; again in 0.2 s' "$state/app-web.log"
ok $? "a run line that cannot be run is tried again, more and more slowly"
app stop >/dev/null
is "and stopped while it waits" "$? $(app status)" "0 stopped"
is "the pause grows from 100 ms to 30 s, and is small again after a steady life" "$("$drive" backoff)" \
	"100 200 400 800 1600 3200 6400 12800 25600 30000 30000 100"
is "no process is left" "$(pgrep -fc "^sleep $mark")" 0

done_testing
