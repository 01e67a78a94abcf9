#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A booted machine is taken out of rotation: the agent, which can do nothing itself, leaves a file;
# systemd sees it, root asks the metadata service, waits for who is being answered, stops the app
# and runs drain.d. And back.
. "$(dirname "$0")/lib.sh"
with_baked_image "$@"
in_machine_room "$@"

record() { guest 'cat /run/instanced/drain.json' | jq -r ".$1"; }
phase_is() { [ "$(record phase)" = "$1" ]; }
active() { guest "systemctl is-active $1"; } # UNIT
goes_on() { journal | grep 'going on with a drain that was cut off'; }
journal() { guest 'journalctl -b -o cat --no-pager -u instance-drain'; }
runs_of_drain() { journal | grep -c '^Finished\|^instance-drain.service: Failed'; }
# As the agent, or whoever has taken it over, can.
ask() {
	guest 'setpriv --reuid=instanced --regid=instanced --clear-groups touch /run/instanced-agent/drain-requested'
}
requested() { guest 'test -e /run/instanced-agent/drain-requested'; }
answered() { ! requested; }

machine_make_baked web
mkdir -p "$at/imds/meta-data/autoscaling"
metadata autoscaling/target-lifecycle-state InService
user_data <<'END'
#instanced
[health]
interval = 1s
[lifecycle]
drain = 600s
quiet = 3s
complete = no
[app web]
source = file:/opt/slow
run = python3 app.py
user = www-data
env.PORT = 8000
health = http://127.0.0.1:8000/health
END
machine_on cloud-init=disabled # its app is not there yet
guest_put - /opt/slow/app.py <<'END'
import http.server, os, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        while self.path == "/slow" and not os.path.exists("/run/answer"):
            time.sleep(0.1)
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"done\n")
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
END
guest_put - /etc/instanced/drain.d/10-note 0755 <<'END'
#!/bin/sh
echo "$1 $INSTANCED_REASON $INSTANCED_INSTANCE_ID $(systemctl is-active instance-app-web) $(id -u)" >/etc/drained
END
guest -t 90 'systemctl restart instance-bootstrap' >/dev/null 2>&1
wait_until 90 instance_is ready
ok $? "the instance is ready" "$(guest 'instancectl status; journalctl -b -u "inst*" -n 50 --no-pager')"
is "and would see a request" "$(active instance-drain.path)" active
is "the agent has a directory of its own, and can write to no other" \
	"$(guest 'stat -c "%U %a" /run/instanced-agent')" "instanced 755"

# -- nobody but the metadata service gives a reason --

ask
wait_until 30 answered
wait_until 10 eval '[ "$(active instance-drain)" = inactive ]'
like "what it does not confirm is not done" "$(journal)" "not confirmed"
is "and is asked once" "$(runs_of_drain) $(active instance-app-web) $(guest 'ls /run/instanced' | grep -c drain.json)" \
	"1 active 0"
guest 'echo precious >/etc/precious; cd /run/instanced-agent &&
	setpriv --reuid=instanced --regid=instanced --clear-groups ln -s /etc/precious drain-requested'
wait_until 30 answered
is "a link in the place of its file leads nowhere" "$(guest 'cat /etc/precious; ls -A /run/instanced-agent')" precious

# -- the group terminates the instance --

guest 'curl -s http://127.0.0.1:8000/slow >/root/slow 2>&1 &'
metadata autoscaling/target-lifecycle-state Terminated
wait_until 60 phase_is draining
like "when it does, the agent asks, and connections are waited for" "$(record reason)" "the target lifecycle state is Terminated"
guest 'systemctl kill --signal=KILL instance-drain.service' # it is started again, and goes on
wait_until 60 goes_on
ok $? "who drained was killed, and followed by one who goes on" "$(journal)"
guest 'touch /run/answer'
wait_until 90 phase_is drained
is "who is being answered gets all of it" "$(guest 'cat /root/slow')" "done"
is "then the instance is drained" "$(record 'phase, .key' | xargs) $(jq -r '.failed // ""' <<<"$(guest 'cat /run/instanced/drain.json')")" \
	"drained lifecycle Terminated "
is "the app's unit is stopped, and has not failed" "$(active instance-app-web)" inactive
is "drain.d was run as root, with the whole machine to write to" "$(guest 'cat /etc/drained')" \
	"lifecycle the target lifecycle state is Terminated $(metadata instance-id) inactive 0"
wait_until 30 answered
is "nothing else of the machine's has failed" "$(guest 'systemctl --failed --no-legend --plain')" ""
like "the journal has each step" "$(journal)" "connections *port 8000*none left*app web *stop*drain.d *10-note*drained: "
guest 'instancectl apply' >"$work/out"
like "apply starts nothing" "$(active instance-app-web) $(<"$work/out")" "inactive *run *the instance is drained"
guest 'systemctl restart instance-bootstrap'
is "nor does the bootstrap" "$(active instance-app-web)" inactive

# -- and back --

guest -t 90 'instancectl undrain' >"$work/out" 2>&1
ok $? "undrain takes it back" "$(<"$work/out")"
wait_until 30 instance_is ready
is "the app runs, the instance is ready" "$(active instance-app-web) $(guest "curl -s http://127.0.0.1:8000/") $(record phase)" \
	"active done undrained"
ask
wait_until 30 answered
wait_until 10 eval '[ "$(active instance-drain)" = inactive ]'
is "the same notice drains it no more" "$(record phase) $(active instance-app-web)" "undrained active"
done_testing
