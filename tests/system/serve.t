#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# An instance that serves: a volume, the index page, an app and the agent, while apply runs again,
# sources change or go away, somebody unmounts, and people without rights look.
. "$(dirname "$0")/lib.sh"
need mkfs.ext4 losetup tar
in_namespaces "$@"
disk serve 64M || skip_all "no loop device can be attached here"
sim_start --instance-id i-0aa --tag 'Name=<script>alert("1")</script>'

place serve
free_port && app_port=$port
free_port && url=http://127.0.0.1:$port
make_app "$at/source" 1
cat >"$conf" <<END
[agent]
listen = 127.0.0.1:$port
[index]
path = $at/www/index.html
title = Hola <desde> el EC2
[volume data]
device = $dev
filesystem = ext4
mount = $at/data
[app web]
source = file:$at/source
path = $at/web
build =
    echo building >built
    sleep 0.3
run = $python app.py
user = games
env.PORT = $app_port
env.GREETING = hello "world"
limit_nofile = 4321
health = http://127.0.0.1:$app_port/
[health]
rise = 1
fall = 20
interval = 500ms
END
run status
is "status without agent and state is 3" "$status" 3
like "and says why" \
	"$out" "instancectl apply has not run since boot*the agent does not answer: "
run apply
is "index page, volume and app are there" "$status $(mounted "$at/data" | wc -l)" "0 1"
agent_start
run status --wait=10
is "then status is 0" "$status" 0
like "and shows all of it" "$out" \
	"i-0aa*ready*✓ volume data*✓ index*✓ app web*release "
run status --json
is "status --json has agent and state" \
	"$(jq -r '.status, .agent.status, .agent.instanceId, .state.phase,
		.state.identity.instanceId, (.state.items | length)' <<<"$out" | xargs)" \
	"ready ready i-0aa settled i-0aa 3"
wait_for 5 app_is 1
is "the app has its user, limit and environment" \
	"$(app '.user, .nofile[0], .nofile[1], .env.GREETING, (.env | has("BUILD"))' | xargs -d '\n')" \
	'games 4321 4321 hello "world" false'
process=$(app .pid)
kill -KILL "$process"
wait_for 5 app_is 1
is "and is started again when it is killed" "$?$([ "$(app .pid)" = "$process" ] && echo same)" 0

poll() { # what /instance answers, and the app's version, until told to stop
	while [ ! -e "$work/stop" ]; do
		echo "$(get /instance -o "$work/polled" -w '%{http_code}') $(jq -r .status "$work/polled")" \
			>>"$work/answers"
		app .version >>"$work/versions" 2>/dev/null
		sleep 0.02
	done
}
polled() { [ "$(wc -l <"$work/answers")" -ge "$1" ]; } # TIMES
while_polling() { # COMMAND...: sets answers and versions
	local poll
	rm -f "$work"/{stop,answers,versions}
	poll &
	poll=$!
	wait_for 5 polled 2
	"$@"
	wait_for 10 polled $(($(wc -l <"$work/answers") + 10))
	touch "$work/stop"
	wait $poll
	answers=$(sort -u "$work/answers" | xargs)
	versions=$(uniq "$work/versions" | xargs)
}
changes=$(grep -c 'status: ' "$work/agent.err")
while_polling run apply
is "while apply runs again, /instance stays as it is" \
	"$status $answers $(grep -c 'status: ' "$work/agent.err")" "0 200 ready $changes"
echo 2 >"$at/source/VERSION"
old=$(readlink "$at/web/current")
while_polling run apply
is "while a changed source is deployed, it stays 200" \
	"$status ${answers/200 degraded /}" "0 200 ready" # degraded meanwhile, for who asks just then
is "the old release stays in service until the new one is" "$versions" "1 2"
is "which is another one, beside it" \
	"$([ "$(readlink "$at/web/current")" != "$old" ] &&
		cat "$at/web/$old/VERSION" "$at/web/current/VERSION" | xargs)" \
	"1 2"
is "and root's" \
	"$(stat -L -c %U "$at/web/current/VERSION" "$at/web/current/built" | xargs)" "root root"
agent_status() { get /instance | jq -r .status; }
status_is() { [ "$(agent_status)" = "$1" ]; }
wait_for 5 status_is ready
is "then all is ready" "$(agent_status)" ready

umount "$at/data"
wait_for 5 code_is /instance 503
is "a volume that somebody unmounts makes /instance fail" "$(agent_status)" failed
is "and is named" "$(check_reason "volume data")" "fail: $dev is not mounted on $at/data any more"
run status
is "which status says as well" "$status $(grep -c 'not mounted on' <<<"$out")" "1 1"
run apply
wait_for 5 code_is /instance 200
is "and apply puts right" "$status $(agent_status)" "0 ready"

# -- who may not see all --

unprivileged() {
	out=$(setpriv --reuid=$NOBODY --regid=$NOBODY --clear-groups "$work/bin/instancectl" \
		--config "$conf" --imds "$imds" --state "$state" --data "$data" "$@" 2>&1)
	status=$?
}
unprivileged check
is "check works for everybody" "$status" 0
unprivileged metadata instance-id
is "metadata as well" "$status $out" "0 i-0aa"
unprivileged status
is "status as well" "$status $(grep -c '✓' <<<"$out")" "0 3"
unprivileged plan
like "plan says what it could not see" "$out" "Without root not all could be seen"
is "and is right in what it saw" "$(grep -c '^=' <<<"$out")" 5
umount "$at/data"
unprivileged plan
like "also of a disk" "$out" "… volume data*cannot be read without root"
is "which is no refusal" "$status" 3
unprivileged volumes
like "volumes as well" "$out" "$dev*holds     unknown: $dev: Permission denied*verdict   unknown"
unprivileged apply
is "apply does nothing" "$status" 1
run apply

# -- the index page --

page=$at/www/index.html
like "the page names the instance, escaped" "$(cat "$page")" "Hola &lt;desde&gt; el EC2*i-0aa"
is "and the agent serves it" "$(get /)" "$(cat "$page")"
identity=$(stat -c '%i %y' "$page")
run apply
is "it is left alone when nothing has changed" "$(stat -c '%i %y' "$page")" "$identity"
echo '<p>{{tag:Name}}</p><p>{{ availability-zone }}</p>{{tag:none}}' >"$at/page.in"
sed -i "s|^title = .*|&\ntemplate = $at/page.in|" "$conf"
run apply
is "a template of one's own" "$status $(cat "$page")" \
	"0 <p>&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;</p><p>us-east-1a</p>"
"$top/tests/imds-sim/tree-make" "$work/imds" --instance-id i-0bb --tag Name=other --az eu-west-3b
run apply
is "follows the metadata" "$(cat "$page")" "<p>other</p><p>eu-west-3b</p>"
is "at the agent as well" "$(wait_for 5 eval 'get / | grep -q other' && get /)" "$(cat "$page")"
is "a page of ours is not kept" "$(ls "$at/www")" index.html
printf 'somebody else wrote this' >"$page"
run apply
is "a page that somebody else wrote is kept beside" \
	"$(cat "$page.before-instanced") $(cat "$page")" \
	"somebody else wrote this <p>other</p><p>eu-west-3b</p>"
like "and that is said" "$out" "the page that was there is now $page.before-instanced"
run metadata
like "metadata shows fields and tags" \
	"$out" "instance-id: i-0bb*availability-zone: eu-west-3b*tag:Name: other"
run metadata --json
is "metadata --json as well" "$(jq -r '.instanceId, .tags.Name' <<<"$out" | xargs)" "i-0bb other"
is "metadata PATH as the service has it" \
	"$(for path in meta-data/instance-type /latest/meta-data/placement/region tags/instance/Name \
		dynamic/instance-identity/document; do ctl metadata $path; done | head -n 4 | xargs)" \
	"t3.micro eu-west-3 other {"
run metadata nothing/there
is "and says what is not there" "$status $err" \
	"1 instancectl: metadata service: there is no meta-data/nothing/there"

# -- where an app may come from --

agent_stop
app_stop
from() { # SOURCE: deploys it; sets status
	sed -i "s|^source = .*|source = $1|" "$conf"
	run apply
}
git() {
	command git -c user.name=t -c user.email=t@example.org -c init.defaultBranch=main \
		-C "$at/repo" "$@"
}
make_app "$at/tar" archive
tar -czf "$at/app.tar.gz" -C "$at/tar" .
from "file:$at/app.tar.gz"
is "an app comes from an archive" "$status $(wait_for 5 app_is archive && app .version)" "0 archive"
make_app "$at/repo" tagged
git init -q && git add . && git commit -q -m one && git tag v1
make_app "$at/repo" later
git commit -q -a -m two
agent_start
from "git+file://$at/repo#v1"
is "or from a tag in git" "$status $(wait_for 5 app_is tagged && app .version)" "0 tagged"
git tag -d v1 >/dev/null
run status --wait=10
while_polling run apply
is "when the source is gone, the app keeps running" \
	"$status $versions ${answers%% *}" "3 tagged 200"
like "and the reason is told" "$out" "! app web*has no tag or branch v1"
wait_for 5 status_is degraded
like "by the agent too" \
	"$(agent_status) $(check_reason "app web")" "degraded warn: *no tag or branch v1"
run status
is "with status 3" "$status" 3
from "git+file://$at/repo#main"
is "until there is one again" "$status $(wait_for 5 app_is later && app .version)" "0 later"
sed -i "s|^env.GREETING = .*|env.GREETING = other|" "$conf"
run apply
is "another environment is another start" \
	"$status $(wait_for 5 app_is later && app .env.GREETING)" "0 other"
agent_stop
is "the agent ends with 0" "$status" 0
is "nothing was reported by a sanitizer" \
	"$(grep -l Sanitizer "$work"/{stderr,agent.err} "$at"/state/*.log)" ""
app_stop
done_testing
