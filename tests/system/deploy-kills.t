#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# `instancectl apply` is killed at random moments of deploys, good ones and bad ones, builds, gates
# and ways back included: current always leads to a whole release, and the next run converges.
#
#	KILLS=200 tests/system/deploy-kills.t	as many more kills (12)
. "$(dirname "$0")/lib.sh"
in_namespaces "$@"
kills=${KILLS:-12}
RANDOM=${SEED:=$RANDOM}
echo "# SEED=$SEED"
sim_start

place kills
free_port && app_port=$port
make_app "$at/source" 0
sed -i "s:send_response(200):send_response(int(open('health').read())):" "$at/source/app.py"
cat >"$conf" <<END
[app web]
source = file:$at/source
path = $at/web
build = sleep 0.2 && cp VERSION built
run = $python app.py
user = games
env.PORT = $app_port
shared = kept
health = http://127.0.0.1:$app_port/
ready_timeout = 20s
keep = 2
END
release() { # VERSION HEALTH
	echo "$1" >"$at/source/VERSION"
	echo "$2" >"$at/source/health"
}
ready() { sed -i "s/^ready_timeout = .*/ready_timeout = $1/" "$conf"; } # SECONDS
whole() { # of current: complete, built, of one version
	[ -e "$at/web/$(readlink "$at/web/current").complete" ] &&
		cmp -s "$at/web/current/VERSION" "$at/web/current/built"
}

release 0 200
run apply
is "a good release to begin with" "$status" 0
setpriv --reuid=games --regid=games --clear-groups sh -c "echo mine >'$at/web/current/kept/file'"
broken=0 lost=0 notes=
ready 2s # or no bad one would be gone back from before the kill
for ((kill = 1; kill <= kills; kill++)); do
	if ((RANDOM % 3)); then
		release $kill 200
	else
		release $kill 500
	fi
	ctl apply >"$work/out" 2>&1 &
	process=$!
	sleep "$((RANDOM % 4)).$((RANDOM % 10))"
	{ kill -KILL $process && wait $process; } 2>/dev/null
	whole || { broken=$((broken + 1)) notes+="after kill $kill: $(ls -A "$at/web/releases"); "; }
	[ "$(cat "$at/web/current/kept/file")" = mine ] || lost=$((lost + 1))
done
is "after each of $kills kills current is a whole release" "$broken $notes" "0 "
is "with what its releases share" "$lost" 0
release last 500
run apply
is "a bad release at the end is gone back from" \
	"$status $(cat "$at/web/current/health") $(whole && wait_for 5 app_is "$(cat "$at/web/current/VERSION")" && echo serves)" \
	"3 200 serves"
ready 20s
release final 200
run apply
is "a good one is deployed" "$status $(cat "$at/web/current/VERSION")" "0 final"
wait_for 5 app_is final
ok $? "and serves"
run apply
is "then there is nothing left to do" "$status $(grep -vc '^=' <<<"$out")" "0 0"
is "nothing half made is left, and no more than two releases" "$(cd "$at/web/releases" &&
	for id in *-????????; do [ -e "$id.complete" ] || echo "$id"; done
	ls -d ./*.complete | wc -l)" 2
is "one supervisor runs one app" "$(pgrep -cu games -f app.py)" 1
app_stop
done_testing
