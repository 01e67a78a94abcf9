#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Deploys as a person sees them: a release must show that it is well, else the one before comes back
# by itself and the bad one is not tried again; by hand forward and back; what is rendered, what is
# secret, what may be written; files that others serve. And what fails names step, app and cause.
. "$(dirname "$0")/lib.sh"
in_namespaces "$@"
sim_start --instance-id i-0aa

place deploy
free_port && app_port=$port
free_port && url=http://127.0.0.1:$port
make_app "$at/source" 1
# An app that is as well as its file "health" says, and as the machine lets it be.
sed -i "s:send_response(200):send_response(500 if os.path.exists('$at/broken-' + open('VERSION').read().strip()) else int(open('health').read())):" "$at/source/app.py"
echo 200 >"$at/source/health"

configure() { # LINE...: of [app web], in addition
	cat >"$conf" <<-END
	[agent]
	listen = 127.0.0.1:$port
	[health]
	rise = 1
	fall = 10
	interval = 200ms
	[app web]
	source = ${source:-file:$at/source}
	path = $at/web
	run = $python app.py
	user = games
	env.PORT = $app_port
	health = http://127.0.0.1:$app_port/
	ready_timeout = ${ready:-20s}
	END
	printf '%s\n' "$@" >>"$conf"
}
release() { # VERSION HEALTH: what the source holds now
	echo "$1" >"$at/source/VERSION"
	echo "$2" >"$at/source/health"
}
current() { cat "$at/web/current/VERSION"; }
instance() { get /instance | jq -r '.status'; }
instance_is() { [ "$(instance)" = "$1" ]; }

configure
run apply
is "a first release is deployed and proven" "$status $(current) $(ls "$at/web/releases" | grep -c healthy)" \
	"0 1 1"
like "which apply says" "$out" "app web *prove *http*done in"
agent_start
wait_for 5 instance_is ready
first=$(readlink "$at/web/current")
run apply
is "a second run proves nothing again" "$status $(grep -c prove <<<"$out")" "0 0"

# -- a bad release --

release 2 500
ready=2s configure
run apply
is "a release that is not well is gone back from, and the status is 3" "$status $(current)" "3 1"
like "with the reason, and what was done" "$err$out" \
	"app web *prove *not well within 2 s: http*answered 500; went back from release * to ${first#*/}"
wait_for 5 app_is 1
is "the app is the old one again" "$(app .version)" 1
wait_for 5 instance_is degraded
is "/instance is degraded, and stays in service" "$(instance) $(code /instance)" "degraded 200"
like "and says why" "$(check_reason "app web")" "warn: outdated: prove: it was not well*went back from release"
run status
like "so does status" "$out" "app web *release ${first#*/}*went back"
releases=$(ls "$at/web/releases")
run apply
is "it is not tried again" "$status $(current) $(grep -c 'done in' <<<"$out")" "3 1 0"
like "and plan and apply say so" "$out" "! app web *release *not well*not tried again until*deploy web"
is "and nothing was made" "$(ls "$at/web/releases")" "$releases"
wait_for 5 instance_is degraded
run deploy web
is "deploy tries it again by hand, goes back again, and fails" "$status $(current)" "1 1"
ready=3s configure
run apply
like "and so does another configuration" "$status $(current) $out" "3 1 *prove *not well within 3 s*"
configure
release 3 200
run apply
is "another source is deployed" "$status $(current)" "0 3"
wait_for 5 instance_is ready
is "and /instance is ready" "$(instance)" ready
wait_for 5 app_is 3
is "it runs" "$(app .version)" 3

# -- by hand --

run deploy web --rollback
is "deploy --rollback goes back to the release before" "$status $(current)" "0 1"
wait_for 5 app_is 1
is "which runs then" "$(app .version)" 1
run apply
is "and apply does not go forward again" "$status $(current)" "3 1"
like "and says why" "$out" "went back from it by hand"
run deploy web --rollback
like "before the first there is none" "$status $err" "1 *app web: there is no earlier release"
is "and nothing changes" "$(current) $(app .version)" "1 1"
run deploy web
is "deploy goes forward again" "$status $(current)" "0 3"
run deploy nobody
like "an app that is not there is refused" "$status $err" "2 *there is no \[app nobody\]"
run deploy
is "and so is none" "$status" 2

# -- an earlier release that comes again --

release 1 200
touch "$at/broken-1"
ready=2s configure
run deploy web
is "a release that was well has to show it again; else the one that ran comes back" \
	"$status $(current)" "1 3"
rm "$at/broken-1"
configure
run deploy web
is "when it is well it is deployed, though it is older" "$status $(current)" "0 1"
ready=2s configure # under which it stays bad
run deploy web --rollback
is "and going back leads to what ran before it" "$status $(current)" "0 3"
release 3 200
run deploy web
is "forward to what runs already is nothing" "$status $(current) $(grep -c 'done in' <<<"$out")" "0 3 0"

# -- killed --

release 4 500
configure
"$work/bin/instancectl" --config "$conf" --imds "$imds" --state "$state" --data "$data" apply \
	>/dev/null 2>&1 &
process=$!
wait_for 10 eval '[ "$(current)" = 4 ] && app_is 4 || [ "$(current)" = 4 ]'
sleep 0.5
{ kill -KILL $process && wait $process; } 2>/dev/null
is "killed while the new release has to prove itself, it is current" "$(current)" 4
ready=2s configure
run apply
is "and the next run goes back from it" "$status $(current)" "3 3"
wait_for 5 app_is 3
is "to what was well" "$(app .version)" 3

# -- without a health URL --

release 5 200
grep -v '^health\|^run' "$conf" >"$conf.new"
echo 'run = sleep 0.2' >>"$conf.new"
mv "$conf.new" "$conf"
sed -i 's/^ready_timeout.*/ready_timeout = 60s/' "$conf"
began=$SECONDS
run apply
like "an app that ends again and again is gone back from" "$status $out$err" "*it ended * times; went back*"
[ $((SECONDS - began)) -lt 50 ]
ok $? "before its time is over"
wait_for 5 app_is 3
is "and the old one runs as it did, with its own run line" "$(app .version)" 3

# -- what fails on the way --

configure
release 3 200
run apply

release 6 200
configure 'build =' '    echo one' '    echo "the reason is here" >\&2; exit 7' # one line too many
sed -i 's/>\\&2; exit 7/>\&2 \&\& exit 7/' "$conf"
run apply
is "a build line that fails changes nothing" "$status $(current)" "3 3"
like "and is named with its app, its line and its last words" "$(item web reason)" \
	"release: build line \`echo *exit 7\` failed with exit status 7: *the reason is here"
wait_for 10 instance_is degraded
run status
like "also by status" "$out" "the reason is here"
configure 'build = sleep 60' 'build_timeout = 6s'
run apply &
builds() { reason=$(item web reason) && [[ $reason == *"build line 1 of 1: sleep 60" ]]; }
wait_for 5 builds
like "while it builds, the status says where it is" "$reason" "*build line 1 of 1: sleep 60"
wait $!
like "a build line has its time" "$(item web reason)" "build line \`sleep 60\` did not end within 6 s"
configure "build = $python -c 'x = bytearray(512 << 20)'" 'build_memory = 200M'
run apply
like "and its memory" "$(item web reason)" "build line *bytearray*failed with*MemoryError"
source=file:$at/no/such configure
run apply
like "a source that is not there is named" "$(item web reason)" "$at/no/such: No such file"
is "and the app runs on all the time" "$(app .version) $(current)" "3 3"
configure 'user = nobody-here'
sed -i '0,/^user = games/{//d}' "$conf"
run apply
like "a user that is not there is named" "$(item web reason)" "nobody-here"

# -- what is rendered --

printf '%s' '{"id": "{{instance-id}}", "zone": "{{availability-zone}}"}' >"$at/template"
release 7 200
configure "files.etc/instance.json = $at/template"
run apply
is "a file is rendered with metadata into the release" \
	"$status $(jq -r .id "$at/web/current/etc/instance.json")" "0 i-0aa"
sim_stop
sim_start --instance-id i-0bb
process=$(app .pid)
run apply
is "another instance (a clone) has its own" "$status $(jq -r .id "$at/web/current/etc/instance.json")" "0 i-0bb"
wait_for 5 app_is 7
[ "$(app .pid)" != "$process" ]
ok $? "and its app is started anew"
run apply
is "then all is kept" "$status $(grep -vc '^=' <<<"$out")" "0 0"
echo '{{no-such-name}}' >"$at/template"
run apply
like "a template with an unknown name is a bad configuration" "$status $err" "2 *$at/template:1: *no-such-name"
echo '{{instance-id}} two' >"$at/template"
before=$(readlink "$at/web/current")
run apply
is "another template is another release" \
	"$status $(cat "$at/web/current/etc/instance.json") $([ "$(readlink "$at/web/current")" != "$before" ] && echo new)" \
	"0 i-0bb two new"

run deploy web --rollback
is "going back brings the files of that release, too" \
	"$status $(jq -r .id "$at/web/current/etc/instance.json")" "0 i-0bb"
run apply
is "and they stay" "$(jq -r .id "$at/web/current/etc/instance.json")" i-0bb
run deploy web
is "until it goes forward again" "$status $(cat "$at/web/current/etc/instance.json")" "0 i-0bb two"

# -- secrets --

echo 'TOKEN="hidden-1"' >"$at/env"
echo hidden-2 >"$at/key"
chmod 644 "$at/env" && chmod 600 "$at/key"
configure "env_file = $at/env" "credential.key = $at/key"
run apply
like "an env_file that others may read is refused" "$status $(item web reason)" \
	"3 run: $at/env: its mode is 0644*should be 0600"
is "and the app runs on" "$(app .version)" 7
chmod 600 "$at/env"
run apply
wait_for 5 app_is 7
is "what is in it is in the app's environment" "$status $(app .env.TOKEN)" "0 hidden-1"
directory=$(app .env.CREDENTIALS_DIRECTORY)
is "a credential is a file for the app alone" \
	"$(cat "$directory/key") $(stat -c %U:%a "$directory" "$directory/key" | xargs)" \
	"hidden-2 games:500 games:400"
run plan --json
run_out=$out
run status --json
is "no secret is in state, plan, status or logs" \
	"$(grep -r hidden "$state" --exclude-dir='*.credentials' | head -n 1)$(grep hidden <<<"$run_out$out$err")$(grep hidden "$work/agent.err")" ""
is "nor in an argument of a process" "$(cat /proc/[0-9]*/cmdline | tr '\0' ' ' | grep -c '[h]idden')" 0
echo 'TOKEN=hidden-3' >"$at/env"
run apply
wait_for 5 eval '[ "$(app .env.TOKEN)" = hidden-3 ]'
is "a changed secret starts the app anew" "$status $(app .env.TOKEN)" "0 hidden-3"
release 71 200
chmod 640 "$at/env"
run apply
like "a new release is not even fetched while one is open to others" \
	"$status $(current) $(item web reason)" "3 7 *: $at/env: its mode is 0640"
chmod 600 "$at/env"
run apply
is "and deployed when it is not: it was never bad" "$status $(current)" "0 71"
echo 'no variable' >>"$at/env"
run apply
like "a bad line is named, not shown" "$(item web reason)" "$at/env:2: expected NAME=value"

# -- what may be written --

mkdir -p "$at/source/uploads" && : >"$at/source/uploads/.keep"
release 8 200
configure 'writable = cache/tmp' 'shared = uploads, var/db'
run apply
wait_for 5 app_is 8
as_app() { setpriv --reuid=games --regid=games --clear-groups "$@"; }
as_app touch "$at/web/current/cache/tmp/x" "$at/web/current/uploads/kept" "$at/web/current/var/db/kept"
is "the app may write where it was told" "$status $?" "0 0"
for place in x cache/x var/x app.py; do
	as_app touch "$at/web/current/$place" 2>/dev/null && echo "$place"
done >"$work/written"
is "and nowhere else" "$(cat "$work/written")" ""
release 9 200
run apply
is "what is shared survives a release, what is writable does not" \
	"$status $(ls "$at/web/current/cache/tmp") $(cd "$at/web/current" && echo */kept var/*/kept)" \
	"0  uploads/kept var/db/kept"
stat -c '%U %a' "$at/web/shared" "$at/web/shared/uploads" | xargs >"$work/owners"
is "the shared directories are the app's, what holds them is root's" "$(cat "$work/owners")" \
	"root 755 games 755"

# -- a repository --

git init -q -b main "$at/repository"
git -C "$at/repository" config user.email a@example.org
git -C "$at/repository" config user.name a
cp "$at/source"/{app.py,VERSION,health} "$at/repository"
echo 10 >"$at/repository/VERSION"
git -C "$at/repository" add . && git -C "$at/repository" commit -qm one
source="git+file://$at/repository#main" configure
run apply
commit=$(git -C "$at/repository" rev-parse HEAD)
is "a branch is deployed" "$status $(current)" "0 10"
is "the state has the commit behind it" "$(item web version)" "$commit"
run status
like "status shows it" "$out" "release ${commit:0:12}-* commit $commit"

# -- files that others serve --

mkdir -p "$at/site" "$at/www"
echo one >"$at/site/index.html"
echo 'the default page' >"$at/www/index.html"
cat >>"$conf" <<END
[app site]
source = file:$at/site
path = $at/site-releases
link = $at/www
END
run plan
like "plan says what will be in the link's place" "$out" \
	"app site *link *$at/www*a directory is there; it is kept beside"
run apply
is "a site is files behind a link; nothing runs" \
	"$status $(cat "$at/www/index.html") $(ls "$state" | grep -c app-site)" "0 one 0"
is "what was there is kept" "$(cat "$at/www.before-site/index.html")" "the default page"
like "and its new name told" "$out" "what was there is now $at/www.before-site"
echo two >"$at/site/index.html"
run apply
is "a new release is behind the same link" "$status $(cat "$at/www/index.html")" "0 two"
run apply
is "all is kept then" "$status $(grep -vc '^=' <<<"$out")" "0 0"
rm "$at/www" && mkdir "$at/www" && echo mine >"$at/www/file"
run apply
is "a directory that somebody put there again is kept too" \
	"$status $(cat "$at/www/index.html" "$at"/www.before-site*/* | xargs)" "0 two the default page mine"
is "two apps of one instance do not know each other" "$(app .version) $(item site status)" "10 ok"

# -- one app alone --

cat >>"$conf" <<END
[volume late]
device = /dev/sdz
mount = $at/late
required = no
timeout = 1s
END
run apply
is "a volume that did not come in time is missing" "$(item late status)" missing
run deploy site
is "after the deploy of one app it still is: nobody waits for it" \
	"$status $(item late status) $(item web status)" "0 missing ok"

agent_stop
app_stop
done_testing
