#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A web server in front: nginx on port 80 with the index page, /instance passed on to the agent, the
# app behind it, all read from outside. The user-data is ours alone, and cloud-init finds it too.
. "$(dirname "$0")/lib.sh"
with_baked_image "$@"
in_machine_room "$@"

machine_make_baked web --public-ipv4 203.0.113.7 --tag Name=web-1
user_data <<'END'
#instanced
[agent]
listen = 127.0.0.1:8080
details = ::1
[index]
path = /var/www/html/index.html
title = Hola desde el EC2
[app web]
source = file:/opt/app
run = python3 app.py
user = www-data
env.PORT = 8000
health = http://127.0.0.1:8000/health
END
machine_on
wait_until 60 instance_is ready
ok $? "the instance is ready" "$(guest 'instancectl status')"
guest_put "$top/packaging/examples/nginx.conf" /etc/nginx/conf.d/instanced.conf
guest 'rm /etc/nginx/sites-enabled/default && nginx -t && systemctl reload nginx' >"$work/out"
ok $? "nginx takes our example configuration" "$(cat "$work/out")"
wait_until 20 fetch 80 /task -f

like "port 80 has our index page" "$(fetch 80 /)" "<dd>$(metadata instance-id)</dd>"
like "with its title" "$(fetch 80 /)" "Hola desde el EC2"
is "port 80 has /instance" "$(fetch 80 /instance -H 'Accept: text/plain')" \
	"$(metadata instance-id) ready"
is "in JSON as well" "$(fetch 80 /instance | jq -r '.instanceId, .status')" \
	"$(metadata instance-id)"$'\n'ready
is "no reasons are told to the world" \
	"$(fetch 80 /instance | jq -c '[.checks[] | keys[]] | unique')" '["name","status"]'
is "and no metrics" "$(fetch_code 80 /metrics)" 404
is "the rest is the app's" "$(fetch 80 /task | jq length)" 3
is "the agent itself cannot be reached from outside" "$(fetch_code 8080 /instance)" 000

guest 'systemctl kill --signal=KILL instance-app-web'
wait_until 30 fetch 80 /task -f
ok $? "an app that is killed comes back"
guest 'systemctl kill --signal=KILL instanced'
wait_until 30 fetch 80 /instance -f
ok $? "an agent that is killed comes back"

is "cloud-init is done without an error" "$(guest 'cloud-init status')" "status: done"
is "it does not complain about user-data that is not its" \
	"$(guest 'grep Unhandled /var/log/cloud-init.log')" ""
is "all units are well" "$(guest 'systemctl --failed --no-legend --plain')" ""
done_testing
