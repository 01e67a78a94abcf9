#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Apps as people deploy them, with the distribution's runtimes: Flask in a virtual environment with
# its data on a volume that is attached late, beside it a Node app with a package from npm on port
# 80, all asked as a load balancer would. One gets a bad release, somebody unmounts the volume, and
# everything starts again.
. "$(dirname "$0")/lib.sh"
user=www-data
id $user >/dev/null 2>&1 || skip_all "there is no user $user"
"$python" -c 'import flask, venv, ensurepip' 2>/dev/null ||
	skip_all "$python has no flask, or no venv (python3-flask, python3-venv)"
need losetup mkfs.ext4
in_namespaces "$@"
disk data 64M || skip_all "no loop device can be attached here"
volume=$dev
sim_start --instance-id i-0aa
mount -t tmpfs tmpfs /dev/shm

place apps
free_port && flask_port=$port
free_port && url=http://127.0.0.1:$port

# The instance; more of it comes with each section.
cat >"$conf" <<END
[agent]
listen = 127.0.0.1:$port
[health]
rise = 1
fall = 10
interval = 200ms
[volume data]
device = /dev/shm/data
filesystem = ext4
mount = $at/data
owner = $user:$user
mode = 0750
timeout = 60s
END

status_is() { [ "$(get /instance | jq -r .status)" = "$1" ]; }
# What a load balancer asks: the code decides, the words are for people.
balancer() { get /instance -H 'Accept: text/plain' -w '%{http_code}\n' | xargs; }
ask() { # PORT JQ-FILTER: of what the app at this port says at /task
	curl -s --max-time 5 "http://127.0.0.1:$1/task" | jq -r "$2"
}
ask_is() { [ "$(ask "$1" "$2")" = "$3" ]; }
# shellcheck disable=SC2154 # state and at are lib.sh's
id_of() { readlink "$at/$1/current"; }
pid_of() { jq .appPid "$state/app-$1.json"; }
stop() { # APP...
	local name
	for name; do
		kill "$(jq .pid "$state/app-$name.json")"
		wait_for 10 test ! -e "$state/app-$name.json"
	done
}
made() { # APP...: which releases there are, and when their directories were last written to
	local name
	for name; do
		stat -L -c '%i %y' "$at/$name"/releases/*-*[0-9a-f] "$at/$name/current"
	done
}

# -- Flask, in a virtual environment, with data on a volume that is not there yet --

mkdir "$at/flask.src"
cat >"$at/flask.src/app.py" <<'END'
import os, pwd, sys
import flask

app = flask.Flask(__name__)
notes = os.path.join(os.environ["DATA"], "notes")

@app.get("/task")
def task():
    kept = open(notes).read().split() if os.path.exists(notes) else []
    return {"version": open("VERSION").read().strip(), "pid": os.getpid(), "notes": kept,
            "user": pwd.getpwuid(os.getuid()).pw_name, "python": sys.executable,
            "base": sys.base_prefix, "flask": flask.__file__}

@app.post("/task")
def add():
    with open(notes, "a") as file:
        file.write(flask.request.get_data(as_text=True) + "\n")
    return "", 201

app.run(host="127.0.0.1", port=int(os.environ["PORT"]))
END
echo 1 >"$at/flask.src/VERSION"
cat >>"$conf" <<END
[app flask]
source = file:$at/flask.src
path = $at/flask
build = $python -m venv --system-site-packages venv
run = venv/bin/python app.py
user = $user
env.PORT = $flask_port
env.DATA = $at/data
health = http://127.0.0.1:$flask_port/task
ready_timeout = 20s
END
note() { # TEXT: for the Flask app to keep; what it answers
	curl -s -o /dev/null -w '%{http_code}' --max-time 5 --data "$1" \
		"http://127.0.0.1:$flask_port/task"
}

ctl apply >"$work/out" 2>&1 &
apply=$!
wait_for 5 item_is flask status waiting
agent_start
like "without its volume the app waits: nothing is fetched, built or started" \
	"$(cd "$at" && echo *) $(check_reason "app flask")" \
	"flask.src instanced.conf state *waiting: *volume data"
is "and the load balancer is told so" "$(balancer)" "i-0aa starting 503"
ln -s "$volume" /dev/shm/data
wait "$apply"
is "when the volume is attached, the Flask app is built in a venv and answers /task" \
	"$? $(ask "$flask_port" .version)" "0 1"
is "with the venv's python of its own release, on the distribution's Flask" \
	"$(ask "$flask_port" '.python, .base, .flask' | xargs)" \
	"$at/flask/$(id_of flask)/venv/bin/python /usr $($python -c 'import flask; print(flask.__file__)')"
is "as its user" "$(ask "$flask_port" .user) $(ps -o user= -p "$(pid_of flask)")" "$user $user"
wait_for 5 status_is ready
is "the load balancer sees it become ready" "$(balancer)" "i-0aa ready 200"

is "the app writes to the volume" "$(note first)" 201
echo 2 >"$at/flask.src/VERSION"
run apply
is "what release 1 wrote there release 2 reads" \
	"$status $(ask "$flask_port" '.version, .notes[]' | xargs)" "0 2 first"
wait_for 5 status_is ready
umount "$at/data"
wait_for 5 status_is failed
is "when somebody unmounts the volume, /instance fails" "$(balancer)" "i-0aa failed 503"
is "and the app cannot write where it was" "$(note lost) $(ls "$at/data")" "500 "
run apply
wait_for 5 status_is ready
is "apply mounts it again, and the data is there" \
	"$status $(ask "$flask_port" '.notes[]') $(balancer)" "0 first i-0aa ready 200"

# -- Node, beside it, all of it on a volume --

finish() {
	stop "$@"
	agent_stop
	is "nothing was reported by a sanitizer" \
		"$(grep -l Sanitizer "$work"/{stderr,agent.err} "$state"/*.log)" ""
	umount "$at/data"
	[ ! -e "$at/apps" ] || umount "$at/apps"
	done_testing
}
for program in node npm; do
	command -v $program >/dev/null && continue
	skip "a Node app beside it" "$program is not installed"
	finish flask
done

mkdir "$at/node.src" "$at/package"
echo '{"name": "greeting", "version": "1.0.0"}' >"$at/package/package.json"
echo 'module.exports = () => "hello"' >"$at/package/index.js"
tar -czf "$at/greeting.tgz" -C "$at" package
echo '{"name": "app", "version": "1.0.0", "private": true}' >"$at/node.src/package.json"
cat >"$at/node.src/app.js" <<'END'
const fs = require("fs"), http = require("http"), os = require("os");
const greeting = require("greeting");

const limits = /Max open files +(\d+) +(\d+)/.exec(fs.readFileSync("/proc/self/limits", "utf8"));
http.createServer((request, response) => {
	if (request.method === "POST")
		request.pipe(fs.createWriteStream("uploads/one")).on("finish", () => response.end());
	else
		response.end(JSON.stringify({version: fs.readFileSync("VERSION", "utf8").trim(),
			greeting: greeting(), user: os.userInfo().username, limits: limits.slice(1),
			env: process.env, pid: process.pid,
			upload: fs.existsSync("uploads/one") && fs.readFileSync("uploads/one", "utf8")}));
}).listen(process.env.PORT, "127.0.0.1");
END
echo 1 >"$at/node.src/VERSION"
wanted=102400
limit=$wanted # which root in a container may not be able to give
(ulimit -n $wanted) 2>/dev/null || limit=$(ulimit -Hn)
disk apps 64M # root's: where the app's own user could replace releases, nothing is deployed
cat >>"$conf" <<END
[volume apps]
device = $dev
filesystem = ext4
mount = $at/apps
[app node]
source = file:$at/node.src
path = $at/apps/node
build = npm install --offline --no-audit --no-fund $at/greeting.tgz
run = node app.js
user = $user
shared = uploads
env.PORT = 80
env.NODE_ENV = production
limit_nofile = $limit
health = http://127.0.0.1:80/task
ready_timeout = 20s
END
ln -s apps/node "$at/node"
# In this network namespace alone. With systemd the app has CAP_NET_BIND_SERVICE.
echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start

flask_is=$(ask "$flask_port" .pid)
run apply
is "a Node app with a package that npm installed from disk answers at port 80" \
	"$status $(ask 80 '.version, .greeting' | xargs)" "0 1 hello"
is "as its user, with the environment and the limit that it was given" \
	"$(ask 80 '.user, .env.PORT, .env.NODE_ENV, .limits[]' | xargs)" \
	"$user 80 production $limit $limit"
[ "$limit" = $wanted ] || skip "with a limit of $wanted open files" "only $limit are allowed here"
is "of npm's cache nothing stays" "$(cd "$at/node/releases" && echo .[a-z]*)" ".[a-z]*"
wait_for 5 status_is ready
is "two apps are one ready instance" "$(balancer) $(get /instance | jq -r \
	'.checks[] | select(.status == "pass") | .name' | xargs)" \
	"i-0aa ready 200 volume data volume apps app flask app node"
curl -s --max-time 5 --data 'an upload' http://127.0.0.1/task
echo 2 >"$at/node.src/VERSION"
run apply
is "its next release has what was uploaded to the first" \
	"$status $(ask 80 '.version, .upload' | xargs)" "0 2 an upload"
is "and the other app has not noticed" "$(ask "$flask_port" .pid)" "$flask_is"

# -- a bad release of one of them --

good=$(id_of node)
cp "$at/node.src/app.js" "$at/app.js"
sed -i 's/"greeting"/"no-such-package"/' "$at/node.src/app.js"
echo 3 >"$at/node.src/VERSION"
run apply
like "a release that lacks a package is gone back from" "$status $(id_of node) $out" \
	"3 $good *app node *prove *went back from release * to ${good#*/}"
is "to the one that answers" "$(wait_for 5 ask_is 80 .version 2 && ask 80 .upload)" "an upload"
is "the other app is the same process as before" \
	"$(ask "$flask_port" .pid) $(item flask status)" "$flask_is ok"
wait_for 5 status_is degraded
is "the load balancer keeps the instance" "$(balancer)" "i-0aa degraded 200"
like "/instance names the app" "$(check_reason "app node")" "warn: *went back from release"
is "and no other" "$(get /instance | jq -r '.checks[] | select(.status != "pass") | .name')" \
	"app node"
like "the app's own words are in its log" "$(<"$state/app-node.log")" \
	"Cannot find module 'no-such-package'"
mv "$at/app.js" "$at/node.src/app.js"
run apply
wait_for 5 status_is ready
is "with the package there it is deployed" "$status $(ask 80 .version) $(balancer)" \
	"0 3 i-0aa ready 200"

# -- everything starts again --

before="$(id_of flask) $(id_of node)"
releases=$(made flask node)
agent_stop
stop flask node
umount "$at/data"
rm -rf "$state" # /run is new at each boot
agent_start
is "a boot begins as starting" "$(balancer)" "- starting 503"
run apply
wait_for 10 status_is ready
is "after it both apps are back, with the same releases" \
	"$status $(id_of flask) $(id_of node) $(ask "$flask_port" .version) $(ask 80 .version)" \
	"0 $before 2 3"
is "which were not made again" "$(made flask node)" "$releases"
unlike "nor proven again" "$out" "prove"
is "with their data" "$(ask "$flask_port" '.notes[]') $(ask 80 .upload)" "first an upload"
is "and the instance is ready" "$(balancer)" "i-0aa ready 200"
run apply
is "a second run has nothing to do" "$status $(grep -vc '^=' <<<"$out")" "0 0"

finish flask node
