#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Out of rotation without losing a request, and back: what is being answered is waited for, then
# the app is stopped and drain.d run; a drain that is killed at any point is finished by the next;
# what the agent asks for is believed only if the metadata service says so too.
. "$(dirname "$0")/lib.sh"
in_namespaces "$@"
sim_start --instance-id i-0aa

place drain
free_port && app_port=$port
free_port && url=http://127.0.0.1:$port
agent_port=$port

# An app that takes its time where it is asked to.
mkdir "$at/source" "$at/drain.d"
cat >"$at/source/app.py" <<'END'
import http.server, os, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/slow":
            print("asked", flush=True)
            time.sleep(3)
            print("answered", time.time_ns(), flush=True)
        if os.path.exists("unwell") and self.path == "/health":
            return self.send_error(500)
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"done\n")
    def log_message(self, *args):
        pass
class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
time.sleep(float(os.environ.get("DELAY", 0)))
Server(("", int(os.environ["PORT"])), Handler).serve_forever()
END

configure() { # [DRAIN [QUIET]] [LINE-OF-APP]...
	cat >"$conf" <<-END
	[agent]
	listen = 127.0.0.1:$agent_port
	[health]
	rise = 1
	interval = 100ms
	[lifecycle]
	drain = ${1:-20s}
	quiet = ${2:-1s}
	[app web]
	source = file:$at/source
	path = $at/web
	run = $python app.py
	user = games
	env.PORT = $app_port
	health = http://127.0.0.1:$app_port/health
	ready_timeout = ${ready:-10s}
	END
	printf '%s\n' "${@:3}" >>"$conf"
}
# Where the agent may write; it asks for a drain there.
mkdir "$at/run" && chown $NOBODY:$NOBODY "$at/run"
request() { setpriv --reuid=$NOBODY --regid=$NOBODY --clear-groups touch "$at/run/drain-requested"; }
drain() { run --run "$at/run" drain "$@"; }
requested() { request && drain --requested "$@"; }
record() { jq -r ".$1" "$state/drain.json"; }
phase_is() { [ "$(record phase)" = "$1" ]; }
runs() { curl -s --max-time 2 -o /dev/null "http://127.0.0.1:$app_port/"; }
app_state() { runs && echo runs || echo stopped; }
hook() { # NAME LINE...: an executable of drain.d
	printf '%s\n' '#!/bin/bash' "${@:2}" >"$at/drain.d/$1"
	chmod 755 "$at/drain.d/$1"
}
no_hooks() { rm -rf "$at/drain.d" && mkdir "$at/drain.d"; }
undrain() { run undrain; wait_for 5 runs; }
now() { date +%s%N; }
since() { echo $((($(now) - $1) / 1000000)); } # milliseconds
between() { [ "$2" -ge "$1" ] && [ "$2" -lt "$3" ]; }
steps() { jq -r '.steps[] | .subject + " " + .what + " " + .outcome + " " + .text' <<<"$out"; }
connect() { exec 5<>"/dev/tcp/127.0.0.1/$app_port"; } # and stay so
disconnect() { exec 5>&-; }

configure 60s
run apply
agent_start
is "the app runs" "$status $(app_state)" "0 runs"

# -- a request in flight --

hook 20-second "if (exec 3<>/dev/tcp/127.0.0.1/$app_port) 2>/dev/null; then a=runs; else a=stopped; fi" \
	"echo \"second \$a\" >>$at/ran"
hook 10-first "echo \"first \$1 \$INSTANCED_REASON \$INSTANCED_INSTANCE_ID \$(id -u)\" >>$at/ran" \
	'echo from the first'
hook 30-editor~ "echo wrong >>$at/ran"
hook .hidden "echo wrong >>$at/ran"
hook 40-not-executable "echo wrong >>$at/ran"
chmod 644 "$at/drain.d/40-not-executable"
curl -s --max-time 60 "http://127.0.0.1:$app_port/slow" >"$work/answer" &
slow=$!
wait_for 5 grep -q asked "$state/app-web.log"
drain --reason "new kernel" --json
took=$(since "$(sed -n 's/^answered //p' "$state/app-web.log")")
wait "$slow"
is "a request that is being answered is waited for, and gets its answer" "$? $(<"$work/answer")" "0 done"
is "then the app is stopped" "$status $(app_state)" "0 stopped"
between 900 "$took" 50000
ok $? "a second after the last one; health checks of the agent hold nothing up" "$took ms"
is "each step is told" "$(steps)" "\
connections port $app_port done none left
app web stop done 
drain.d 10-first done 
drain.d 20-second done "
is "drain.d is run in the order of its names, when the app is stopped, with reason and instance" \
	"$(cat "$at/ran")" $'first person new kernel i-0aa 0\nsecond stopped'
like "its output is passed on" "$err" "drain.d/10-first: from the first"
is "the record says so" "$(record 'phase, .key, .reason' | xargs) $(jq 'has("failed")' "$state/drain.json")" \
	"drained person new kernel false"
is "nobody takes the app for one that runs until an apply has started it" "$(item web status)" waiting
is "with the time that there was" $(($(record until) - $(record since))) 60

# -- while it is drained --

agent_stop
run apply
is "apply starts no app then" "$status $(app_state)" "3 stopped"
like "and says why" "$out" "… app web *run *the instance is drained: new kernel"
is "the app has not failed" "$(item web status)" waiting
run status
like "status says so" "$status $out" "3 *draining*drained: new kernel"
run plan
like "so does plan" "$out" "… app web *run *the instance is drained: new kernel"
run deploy web
is "deploy waits as well" "$status $(app_state)" "3 stopped"
echo 2 >"$at/source/VERSION"
run apply
is "another release is not fetched" "$status $(find "$at/web/releases" -name '*.complete' | wc -l)" "3 1"
drain
like "a second drain has nothing to do" "$status $out" "0 is drained already: new kernel"
is "and runs nothing again" "$(wc -l <"$at/ran")" 2

# -- back --

undrain
is "undrain brings the app back, with the new release" \
	"$status $(app_state) $(record phase) $(cat "$at/web/current/VERSION")" "0 runs undrained 2"
is "and all is well" "$(item web status)" ok
run undrain
unlike "again there is nothing to do" "$status $(grep -v "^=" <<<"$out")" "0 *?"
agent_start
no_hooks

# -- how long --

configure 4s
connect # as one that is kept alive
began=$(now)
drain
took=$(since "$began")
disconnect
between 1900 "$took" 20000
ok $? "a connection that stays is waited for as long as configured" "$took ms"
like "and that is told" "$status $out" \
	"0 *connections *port $app_port*1 left when the time was over*drained: a person asked for it"
undrain
configure 60s 0s
began=$(now)
drain
took=$(since "$began")
between 0 "$took" 50000
ok $? "where nobody is connected, and none need be seen for a while, it is over at once" "$took ms"
undrain

# -- drain.d that fails --

configure 1s 0s
hook 10-fails 'echo cannot do it; exit 3'
hook 15-bytes 'printf "caf\351\n"; exit 4'
hook 20-world "echo wrong >>$at/ran"
chmod 757 "$at/drain.d/20-world"
hook 30-other "echo wrong >>$at/ran"
chown games "$at/drain.d/30-other"
mkdir "$at/theirs"
cp "$at/drain.d/10-fails" "$at/theirs/hook" # root's, where they could put another
chown games "$at/theirs"
ln -s "$at/theirs/hook" "$at/drain.d/40-link"
hook 50-last "echo last >>$at/ran"
drain --json
is "what fails in drain.d does not keep the rest, nor the drain" \
	"$status $(record phase) $(tail -n 1 "$at/ran") $(app_state)" "1 drained last stopped"
is "the first is noted" "$(record failed)" \
	"drain.d/10-fails failed with exit status 3: cannot do it"
like "what it says need be no text" "$(steps)" "drain.d 15-bytes failed drain.d/15-bytes failed with exit status 4: caf"
like "what everybody may write to is refused" "$(steps)" "drain.d 20-world failed *20-world: may be written to by others"
like "so is what is somebody else's" "$(steps)" "drain.d 30-other failed *30-other: belongs to user"
like "and what somebody else could replace" "$(steps)" "drain.d 40-link failed *others than root may write there"
undrain
chmod 777 "$at/drain.d"
drain --json
is "of a drain.d that everybody may write to nothing is run" \
	"$status $(steps | grep -c '^drain.d .* failed .*others than root may write there')" "1 6"
undrain
no_hooks

# -- killed, and finished by the next --

configure 20s 500ms
hook 10-hook "echo hook >>$at/ran" "echo end >>$at/ran"
killed() { # WHEN...: a drain, when that is so
	"$work/bin/instancectl" --config "$conf" --imds "$imds" --state "$state" --data "$data" \
		--run "$at/run" drain >"$work/out" 2>&1 &
	local pid=$!
	wait_for 10 "$@"
	kill -KILL $pid 2>/dev/null # unless it was faster
	wait $pid 2>/dev/null
}
connect
killed phase_is draining
until=$(record until)
is "a drain that is killed while it waits leaves the app running" "$(record phase) $(app_state)" "draining runs"
run apply
is "which an apply leaves as it is" "$status $(app_state) $(item web status)" "3 runs ok"
disconnect
drain
like "the next one goes on" "$status $(app_state) $out" "0 stopped *going on with a drain*drained"
is "within the same time" "$(record until)" "$until"
undrain
: >"$at/ran"
sed -i '2a sleep 30' "$at/drain.d/10-hook"
hook_runs() { pgrep -f "$at/drain.d/10-hook"; }
hook_ended() { ! hook_runs; }
killed grep -q hook "$at/ran"
is "one is killed in drain.d" "$(record phase) $(app_state)" "stopping stopped"
wait_for 5 hook_ended
is "what it ran ends with it" "$(hook_runs)" ""
sed -i '/sleep/d' "$at/drain.d/10-hook"
drain
is "the next one runs it again" "$status $(record phase) $(xargs <"$at/ran")" "0 drained hook hook end"
undrain
: >"$at/ran"
wrong=''
for pause in 0.00 0.01 0.02 0.04 0.06 0.08; do
	configure 1s 0s
	killed sleep $pause
	drain
	[ "$status $(record phase) $(app_state) $(tail -n 1 "$at/ran")" = "0 drained stopped end" ] ||
		wrong+="$pause: $status $(record phase) $(app_state) $out $err"$'\n'
	run undrain
done
is "wherever it is killed, the next one finishes it" "$wrong" ""
wait_for 5 runs

# -- two at once, and beside an apply --

configure 20s 1s
connect
ctl --run "$at/run" drain >"$work/out" 2>&1 5>&- &
first=$!
wait_for 5 phase_is draining
ctl --run "$at/run" drain >"$work/second" 2>"$work/stderr" 5>&- &
second=$!
wait_for 5 grep -q "another drain is at work" "$work/stderr"
disconnect
wait $first
wait $second
like "a second drain waits for the first" "$? $(<"$work/stderr") $(<"$work/second")" \
	"0 *another drain is at work*is drained already"
undrain
configure 1s 0s "build = touch $at/shared/building; until [ -e $at/go ]; do sleep 0.1; done"
mkdir -m 777 "$at/shared"
ctl apply >"$work/out" 2>&1 &
apply=$!
wait_for 5 test -e "$at/shared/building"
ctl --run "$at/run" drain >"$work/second" 2>&1 &
second=$!
wait_for 5 phase_is stopping
touch "$at/go"
wait $apply
wait $second
like "an apply that is at work lets the drain stop the app, and does not start it" \
	"$? $(app_state) $(record phase) $(<"$work/out")" \
	"0 stopped drained *app web *run *not now, the instance is drained"
undrain
is "undrain does" "$status $(app_state)" "0 runs"
ready=6s configure 1s 0s
touch "$at/source/unwell"
ctl apply >"$work/out" 2>&1 &
apply=$!
wait_for 5 test -e "$at/web/current/unwell"
wait_for 5 item_is web status ok # which it is from when it runs, until it is called bad
drain
wait $apply
is "a release that was about to show that it is well is not called bad for it" \
	"$(app_state) $(find "$at/web/releases" -name '*.bad')" "stopped "
rm "$at/source/unwell"
undrain

# -- what the agent asks for --

configure 1s 0s
cp "$state/drain.json" "$work/before"
requested
like "what the metadata service does not confirm is not done" "$status $out $(app_state)" \
	"0 not confirmed* runs"
is "and changes nothing" "$(cat "$state/drain.json") $(ls "$at/run")" "$(cat "$work/before") "
put() { # PATH TEXT
	mkdir -p "$(dirname "$work/imds/meta-data/$1")"
	printf %s "$2" >"$work/imds/meta-data/$1"
}
put autoscaling/target-lifecycle-state InService
requested
like "nor is it for an instance that is in service" "$status $out" "0 not confirmed"
put autoscaling/target-lifecycle-state Terminated
: >"$at/ran"
hook 10-hook "echo \$1 >>$at/ran"
requested --json
is "a termination that it confirms drains the instance" \
	"$status $(app_state) $(record phase) $(record key) $(<"$at/ran")" \
	"0 stopped drained lifecycle Terminated lifecycle"
requested
like "which is done once" "$status $out $(wc -l <"$at/ran")" \
	"0 is drained already: the target lifecycle state is Terminated 1"
undrain
requested
like "and not again after it was taken back" "$status $out $(app_state)" "0 was taken back by* runs"
at_time() { date -u -d "$1" +%Y-%m-%dT%H:%M:%SZ; }
spot() { put spot/instance-action "{\"action\": \"terminate\", \"time\": \"$(at_time "$1")\"}"; }
configure 60s 1s
connect
spot '+30 seconds'
began=$(now)
requested
took=$(since "$began")
disconnect
like "another notice is another reason" "$status $out $(record key)" "0 *Spot interruption*spot terminate"
between 1000 "$took" 50000
ok $? "for which there is less time than configured" "$took ms"
undrain
put autoscaling/target-lifecycle-state InService
spot '-1 seconds'
hook 10-hook 'sleep 60'
began=$(now)
requested
took=$(since "$began")
between 5000 "$took" 50000
ok $? "when there is none at all, drain.d has five seconds" "$took ms"
like "and what takes longer is ended" "$status $(record failed)" "1 *10-hook did not end within 5 s"
no_hooks
undrain
rm "$work/imds/meta-data/spot/instance-action"
put autoscaling/target-lifecycle-state Warmed:Terminated
configure 1s 0s
drain
requested
like "who is drained by hand is drained for a notice, too" "$status $out $(record key)" \
	"0 is drained already; now also because*lifecycle Warmed:Terminated"
undrain
put autoscaling/target-lifecycle-state Terminated
requested
like "of several that were taken back none is acted on again" "$status $out $(app_state)" \
	"0 was taken back by* runs"
put autoscaling/target-lifecycle-state InService
configure 60s 50s
began=$(now)
ctl --run "$at/run" drain >"$work/out" 2>&1 &
first=$!
wait_for 5 phase_is draining
spot '+28 seconds'
: >"$at/run/drain-requested"
ctl --run "$at/run" drain --requested >/dev/null 2>&1 & # as systemd does, which sees the request
second=$!
wait $first
took=$(since "$began")
wait $second
between 1000 "$took" 40000
ok $? "a notice that comes during a drain leaves it less time" "$took ms"
rm "$work/imds/meta-data/spot/instance-action"
undrain
put autoscaling/target-lifecycle-state nonsense-1
requested
like "what the service says must be what it should be" "$status $err" \
	"1 *not confirmed*is not what it should be"
sim_stop
requested --imds-timeout 1
like "without the service nothing is confirmed" "$status $err $(app_state)" "1 *not confirmed* runs"

# -- what may lie there instead of its file --

echo precious >"$work/victim"
ln -s "$work/victim" "$at/run/drain-requested"
drain --requested --imds-timeout 0.3
is "a link is removed, and what it leads to is not touched" \
	"$(cat "$work/victim") $(ls -A "$at/run")" "precious "
mkdir "$at/run/drain-requested"
drain --requested --imds-timeout 0.3
is "so is a directory" "$(ls -A "$at/run")" ""
mkdir -p "$at/run/drain-requested/full"
drain --requested --imds-timeout 0.3
like "one with something in it is said" "$status $err" "1 *drain-requested: "
mkdir "$at/other"
touch "$at/other/drain-requested"
ln -s other "$at/link"
run --run "$at/link" drain --requested --imds-timeout 0.3
is "a directory that is a link is not followed" "$status $(ls "$at/other")" "1 drain-requested"
run drain --requested --reason mine
is "with --requested nobody gives another reason" "$status" 2
run drain --reason "$(printf '\377')"
is "and a reason is text" "$status" 2
is "the app runs on" "$(app_state)" runs

# -- back in rotation --

agent_stop
configure 1s 0s "env.DELAY = 2"
sed -i 's/^interval = .*/interval = 5s/' "$conf"
run --imds-timeout 0.3 apply
agent_start
wait_for 9 code_is /instance 200
drain
run --imds-timeout 0.3 undrain &
early=''
for _ in {1..99}; do
	runs && break
	code_is /instance 200 && ! runs && early=200
	sleep 0.05
done
wait $!
wait_for 9 code_is /instance 200
is "an instance is in rotation again when its app answers, and not before" \
	"$early $(code /instance)" " 200"

agent_stop
app_stop
is "nothing was reported by a sanitizer" \
	"$(grep -l Sanitizer "$work"/{stderr,out,second,agent.err} "$state"/*.log 2>/dev/null)" ""
done_testing
