#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What the units promise to others: a service that needs a volume, a port that systemd holds, a
# volume that is pulled from under an app, a package that is removed.
. "$(dirname "$0")/lib.sh"
with_baked_image "$@"
in_machine_room "$@"

active() { guest "systemctl is-active $1"; } # UNIT
active_is() { [ "$(active "$1")" = "$2" ]; }
monotonic() { guest "systemctl show -P $2 $1"; } # UNIT PROPERTY
journal() { guest "journalctl -b -o cat --no-pager -u $1"; }

machine_make_baked web
volume_make data sdf 512M
user_data <<'END'
#instanced
[volume data]
device = /dev/sdf
mount = /data
mode = 2775
[app web]
source = file:/opt/app
run = python3 app.py
user = www-data
env.PORT = 8000
limit_nofile = 102400
END
# Somebody's service, made before the instance had a volume.
machine_on cloud-init=disabled systemd.mask=instanced.service
guest_put - /etc/systemd/system/own.service <<'END'
[Unit]
After=instance-bootstrap.service
RequiresMountsFor=/data
AssertPathIsMountPoint=/data
[Service]
ExecStart=/bin/sh -c 'touch /data/own && exec sleep infinity'
[Install]
WantedBy=multi-user.target
END
guest 'systemctl enable own' >/dev/null
machine_reboot cloud-init=disabled
wait_until 60 instance_is ready
ok $? "the instance is ready" "$(guest 'instancectl status')"

is "a service that is After=instance-bootstrap.service starts with the volume there" \
	"$(active own) $(guest 'findmnt -no FSTYPE -T /data/own')" "active xfs"
is "a mode with the set-group-ID bit is set" "$(guest 'stat -c %a /data')" 2775
is "an app has its limit of open files" \
	"$(guest 'grep "open files" /proc/$(systemctl show -P MainPID instance-app-web)/limits' |
		awk '{ print $4, $5 }')" "102400 102400"
[ "$(monotonic instance-app-web.service ExecMainStartTimestampMonotonic)" -gt \
	"$(monotonic data.mount ActiveEnterTimestampMonotonic)" ]
ok $? "the app has started after its volume was mounted"
is "nothing of the machine's own has failed" "$(guest 'systemctl --failed --no-legend --plain')" ""
is "the agent has no capability, and is not root" \
	"$(guest 'grep -E "^(CapPrm|CapBnd|NoNewPrivs)|^Uid" \
		/proc/$(systemctl show -P MainPID instanced)/status' | awk '{ print $2 }' | sort -u |
		sed "s/$(guest 'id -u instanced')/its own/")" \
	$'0000000000000000\n1\nits own'
is "system calls are filtered, by the agent too, and there is no core" \
	"$(guest 'sed -n "s/^Seccomp:[^0-9]*//p" /proc/$(systemctl show -P MainPID instanced)/status') \
$(guest 'journalctl -b -o cat -u instanced | grep -c "without a filter"') \
$(guest 'grep "core file" /proc/$(systemctl show -P MainPID instanced)/limits' | awk '{ print $6 }')" \
	"2 0 0"
is "where it lives its user can write in its own two directories, and nowhere else" \
	"$(guest 'for dir in / /etc /usr/sbin /var/lib/instanced /run/instanced /run/instanced-agent \
			/var/lib/instanced-agent; do
		nsenter -t $(systemctl show -P MainPID instanced) -m setpriv --reuid=instanced \
			--regid=instanced --clear-groups touch $dir/tried 2>/dev/null && echo $dir
	done; rm -f {/run,/var/lib}/instanced-agent/tried')" $'/run/instanced-agent\n/var/lib/instanced-agent'
is "and sees nothing of its memory" \
	"$(guest 'setpriv --reuid=instanced --regid=instanced --clear-groups cat \
		/proc/$(systemctl show -P MainPID instanced)/environ 2>&1 | grep -c denied')" 1
is "and goes first when the machine is busy" \
	"$(guest 'ps -o ni= -p $(systemctl show -P MainPID instanced)' | tr -d ' ')" -10

# -- the socket --

guest 'mkdir -p /etc/systemd/system/instanced.socket.d &&
	printf "[Socket]\nListenStream=\nListenStream=81\n" >/etc/systemd/system/instanced.socket.d/port.conf &&
	systemctl daemon-reload && systemctl stop instanced && systemctl enable --now instanced.socket' \
	>/dev/null 2>&1
is "through its socket the agent answers on a low port, and is started for it" \
	"$(guest 'curl -s -o /dev/null -w "%{http_code}" http://127.0.0.1:81/instance')" 200
before=$(monotonic instanced MainPID)
guest 'systemctl reload instanced'
is "a reload keeps port and process" \
	"$(guest 'curl -s -o /dev/null -w "%{http_code}" --retry 5 http://127.0.0.1:81/instance') \
$(monotonic instanced MainPID)" "200 $before"
guest 'systemctl disable --now instanced.socket && systemctl restart instanced' >/dev/null 2>&1

# -- a volume is pulled from under what needs it --

guest 'sync --file-system /data' # what is not written yet goes with it
volume_detach data
wait_until 30 active_is data.mount inactive
wait_until 30 active_is instance-app-web inactive
is "a volume that is pulled takes the app with it" "$(active instance-app-web)" inactive
wait_until 20 active_is own inactive
is "and the service of somebody" "$(active own)" inactive
wait_until 20 instance_is failed
is "the load balancer is told" "$(fetch_code 8080 /instance)" 503
volume_attach data
wait_until 60 instance_is ready
ok $? "when it returns the instance is ready again" "$(guest 'instancectl status')"
is "with the app" "$(active instance-app-web)" active

# -- no memory left --

agent=$(monotonic instanced MainPID)
guest 'systemd-run --quiet --unit=hog --property=OOMScoreAdjust=500 python3 -c "
taken = []
while True:
    taken.append(b\"x\" * (1 << 24))"'
killed() { [ "$(guest 'systemctl show -P Result hog')" = oom-kill ]; }
for ((i = 0; i < 120; i++)); do
	fetch_code 8080 /instance >>"$work/codes" && echo >>"$work/codes"
	! killed || break
done
is "who takes all memory is ended, and meanwhile load balancers have their answers" \
	"$(guest 'systemctl show -P Result hog') $(sort -u "$work/codes" | xargs)" "oom-kill 200"
is "of the agent that was there before" \
	"$(monotonic instanced MainPID) $(guest 'systemctl show -P NRestarts instanced')" "$agent 0"

# -- a metadata service that is silent for longer than is waited for --

guest_put - /etc/systemd/system/instance-bootstrap.service.d/soon.conf <<'END'
[Service]
ExecStart=
ExecStart=instancectl apply --boot --imds-timeout 3 --imds unix:/run/instance-imds.sock
RestartSec=2s
END
echo '* silent' >"$at/imds/.faults"
guest 'systemctl daemon-reload; systemctl stop instance-bootstrap instanced; rm -r /run/instanced/*
	systemctl start instanced; systemctl start --no-block instance-bootstrap'
restarts() { [ "$(guest 'systemctl show -P NRestarts instance-bootstrap')" -ge 1 ]; }
wait_until 60 restarts
is "is asked again and again, and nothing is ready that might have user-data" \
	"$(guest 'curl -s http://127.0.0.1:8080/instance' | jq -r '.instanceId, .status' | xargs)" \
	"null starting"
rm "$at/imds/.faults"
wait_until 60 instance_is ready
is "until it answers; then all is as ever" \
	"$(guest 'curl -s http://127.0.0.1:8080/instance' | jq -r .instanceId) \
$(active instance-app-web) $(active instance-bootstrap)" "$(metadata instance-id) active active"

# -- the package goes --

guest -t 120 'dpkg --purge instanced' >"$work/purge"
ok $? "the package can be removed from a running instance" "$(cat "$work/purge")"
is "the volume stays mounted, with its data" "$(guest 'findmnt -no FSTYPE /data; ls /data')" \
	$'xfs\nown'
is "the app goes on" "$(active instance-app-web)" active
is "its releases and the records stay" "$(guest 'ls /var/lib/instanced')" $'app\nformat'
is "the agent does not" "$(active instanced)" inactive
done_testing
