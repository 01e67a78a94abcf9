# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the system tests in bash share: TAP, namespaces and a directory that end with the test
# however it ends, the metadata simulator, loop devices, and the programs under test.
#
#	. "$(dirname "$0")/lib.sh"
#	in_namespaces "$@"
#	is "one and one" $((1 + 1)) 2
#	done_testing
#
# A test runs twice: outside it makes the directory and the namespaces and waits; inside it does
# its work as process 1 of a PID namespace, with mounts and a loopback interface of its own. When
# the outside ends, by a signal too, the kernel ends all that is inside.
#
# BUILD is the build directory. Nothing here is executable by itself.
set -u
PATH=$PATH:/usr/sbin:/sbin # as a person may have it not
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${BUILD:-$top/build}
python=/usr/bin/python3
readonly NOBODY=65534
readonly PATIENCE=4 # times as long as they say may all waits take, for a busy machine

# -- TAP --

. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

need() { # PROGRAM...: skips the whole test if one of them is missing
	local program
	for program; do
		command -v "$program" >/dev/null || skip_all "$program is not installed"
	done
}

# wait_for SECONDS COMMAND...: of a machine that has nothing else to do
wait_for() {
	local end=$((SECONDS + $1 * PATIENCE))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -le $end ] || return 1
		sleep 0.02
	done
}

# -- the directory, and the namespaces --

# The outside of a test: returns only inside, with $work.
in_namespaces() {
	if [ "${1-}" = --inside ]; then
		work=$2
		ip link set lo up
		# Where systemd is process 1, its units would be the machine's, not the test's.
		[ ! -d /run/systemd ] || mount -t tmpfs tmpfs /run/systemd
		copy_programs
		return
	fi
	[ "$(id -u)" = 0 ] || skip_all "needs root for namespaces, mounts and loop devices"
	need ip unshare setpriv curl jq git $python
	[ -x "$build/instancectl" ] || skip_all "$build/instancectl is not built"
	[ -x "$build/tests/imds-sim/imds-sim" ] || skip_all "the metadata simulator is not built"
	unshare --mount --pid --net --fork --mount-proc true 2>/dev/null ||
		skip_all "no namespaces can be made here"
	work=$(mktemp -d) || skip_all "no temporary directory"
	inside=
	trap leave EXIT
	trap 'exit 1' INT TERM HUP
	chmod 755 "$work"
	setpriv --pdeathsig KILL unshare --mount --pid --net --fork --kill-child --mount-proc \
		bash "$0" --inside "$work" &
	inside=$!
	wait "$inside"
	exit
}

leave() {
	local status=$?
	trap '' INT TERM HUP
	if [ -n "$inside" ]; then
		{ kill -KILL "$inside" && wait "$inside"; } 2>/dev/null
	fi
	wait_for 5 cgroups_remove
	rm -rf "$work"
	exit $status
}

# Cgroups of the test's own (version 1, where there is that); they go when all inside has ended.
own_cgroup() { echo "/sys/fs/cgroup/$1/instanced-${work##*/}"; } # CONTROLLER
cgroups_remove() {
	local directory
	for directory in /sys/fs/cgroup/*/instanced-"${work##*/}"; do
		[ ! -d "$directory" ] || find "$directory" -depth -type d -exec rmdir {} + || return
	done
}
# cgroup_join CONTROLLER NAME [FILE=VALUE]...: this shell, and what it starts from now on
cgroup_join() {
	local directory
	directory=$(own_cgroup "$1")/$2
	mkdir -p "$directory" && printf '%s\n' "${@:3}" | while IFS='=' read -r file value; do
		[ -z "$file" ] || echo "$value" >"$directory/$file"
	done && echo 0 >"$directory/cgroup.procs"
} 2>/dev/null
# What is measured has the processors before what else runs here.
processors_first() { cgroup_join cpu . cpu.shares=262144 cpu.rt_runtime_us=200000; }

# Copies, where everybody may run them whatever the checkout's permissions are.
copy_programs() {
	mkdir "$work/bin"
	cp "$build/instancectl" "$build/instanced" "$build/tests/imds-sim/imds-sim" "$work/bin"
}

# Sets program to the agent of the package, for what is measured: the sanitizers cost memory and time.
# PLAIN is a directory that has one from elsewhere, such as a build without them.
plain_program() {
	local package
	program=$work/bin/instanced-plain
	if [ -n "${PLAIN-}" ]; then
		cp "$PLAIN/instanced" "$program"
	elif package=$("$top/tests/vm/package" 2>"$work/package.err"); then
		dpkg-deb -x "$package" "$work/package"
		cp "$work/package/usr/sbin/instanced" "$program"
	else
		skip_all "the package cannot be built here: $(tail -n 1 "$work/package.err")"
	fi
}

free_port() { # one that nobody listens on; each call gives another
	last_port=$((${last_port:-8000} + 1))
	while (exec 3<>"/dev/tcp/127.0.0.1/$last_port") 2>/dev/null; do
		last_port=$((last_port + 1))
	done
	port=$last_port
}

# -- loop devices --

# attach FILE [losetup OPTION]...: sets dev. The device lives as long as its holder does: it is
# detached at once, which the kernel puts off until nobody has it open any more.
attach() {
	dev=$(losetup --find --show "${@:2}" "$1") || return
	hold "$dev"
}

hold() { # DEVICE
	sleep infinity <"$1" &
	holders[${1#/dev/loop}]=$!
	disown
	wait_for 5 grep -qx sleep "/proc/$!/comm" # then it has it open
	losetup --detach "$1"
}
declare -A holders=()

detach() { # DEVICE: which nobody else has open
	kill "${holders[${1#/dev/loop}]}"
	wait_for 5 test ! -e "/sys/block/${1#/dev/}/loop/backing_file"
}

# disk NAME SIZE: a blank one; sets dev, and its image is $work/NAME.img
disk() {
	rm -f "$work/$1.img"
	truncate --size "$2" "$work/$1.img"
	attach "$work/$1.img"
}

fingerprint() { # NAME...: of the images, with all that was written, through a mount too
	local name device
	for name; do
		for device in $(losetup --associated "$work/$name.img" -n --output NAME); do
			findmnt -n -o TARGET --source "$device" | xargs -r sync --file-system
			sync "$device"
		done
		sync "$work/$name.img"
		b2sum <"$work/$name.img"
	done
}

mounted() { # MOUNT-POINT: its line of the mount table, the one on top
	awk -v point="$1" '$5 == point { line = $0 } END { print line; exit line == "" }' \
		/proc/self/mountinfo
}

# -- the metadata service --

# sim_start [tree-make OPTION]...: sets imds (its URL); its files are in $work/imds
sim_start() {
	"$top/tests/imds-sim/tree-make" "$work/imds" "$@"
	rm -f "$work/imds.url"
	"$work/bin/imds-sim" --ports-file "$work/imds.url" --log "$work/imds.log" "$work/imds" \
		>/dev/null &
	sim=$!
	wait_for 5 test -s "$work/imds.url"
	imds=$(cat "$work/imds.url")
}

sim_stop() {
	kill "$sim"
	wait "$sim"
}

# -- AWS --

# aws_start [aws-sim OPTION]...: sets aws (its URL); its log is $work/aws.log
aws_start() {
	rm -f "$work/aws.url"
	"$top/tests/aws-sim/aws-sim" --ports-file "$work/aws.url" --log "$work/aws.log" "$@" \
		>/dev/null &
	wait_for 15 test -s "$work/aws.url"
	aws=$(cat "$work/aws.url")
}
aws_control() { # METHOD PATH [JSON]
	curl -sS --max-time 10 -X "$1" "$aws/_control/$2" ${3+--data "$3"}
}
aws_calls() { # JQ-CONDITION: how many were logged that fulfil it
	jq -s "map(select($1)) | length" "$work/aws.log"
}

# -- the programs under test --

# A place for configuration, state, records: place NAME sets conf, state, data, and makes $at.
place() {
	at=$work/$1
	mkdir -p "$at"
	conf=$at/instanced.conf state=$at/state data=$at/lib
}

# ctl [OPTION]... COMMAND: instancectl here. run CTL-ARGUMENT...: sets out, err and status
ctl() {
	"$work/bin/instancectl" --config "$conf" --imds "$imds" --state "$state" --data "$data" \
		"$@"
}
run() {
	out=$(ctl "$@" 2>"$work/stderr")
	status=$?
	err=$(<"$work/stderr")
}

item() { # NAME FIELD: of the state
	jq -r --arg name "$1" ".items[] | select(.name == \$name) | .$2" "$state/state.json"
}
item_is() { [ "$(item "$1" "$2")" = "$3" ]; }

# agent_start [OPTION]...: instanced as nobody, listening where $url is; sets agent
agent_start() {
	setpriv --reuid=$NOBODY --regid=$NOBODY --clear-groups \
		"$work/bin/instanced" --config "$conf" --state "$state" "$@" 2>>"$work/agent.err" &
	agent=$!
	wait_for 5 curl -fs "$url/instance/live"
}

agent_stop() { # sets status
	kill -TERM "$agent"
	wait "$agent"
	status=$?
}

code() { # PATH [curl OPTION]...: of the agent's answer
	curl -s -o /dev/null -w '%{http_code}' --max-time 5 "${@:2}" "$url$1"
}
code_is() { [ "$(code "$1")" = "$2" ]; }
get() { # PATH [curl OPTION]...
	curl -s --max-time 5 "${@:2}" "$url$1"
}
check_reason() { # NAME: what /instance says about it
	get /instance | jq -r --arg name "$1" '.checks[] | select(.name == $name) |
		.status + ": " + (.reason // "")'
}

# -- an app --

# An app that tells what it sees; its version is a file of its source.
make_app() { # DIRECTORY VERSION
	mkdir -p "$1"
	echo "$2" >"$1/VERSION"
	cat >"$1/app.py" <<-'END'
	import http.server, json, os, pwd, resource
	class Handler(http.server.BaseHTTPRequestHandler):
	    def do_GET(self):
	        body = json.dumps({"version": open("VERSION").read().strip(), "pid": os.getpid(),
	            "user": pwd.getpwuid(os.getuid()).pw_name, "env": dict(os.environ),
	            "nofile": resource.getrlimit(resource.RLIMIT_NOFILE)}).encode()
	        self.send_response(200)
	        self.send_header("Content-Length", str(len(body)))
	        self.end_headers()
	        self.wfile.write(body)
	    def log_message(self, *args):
	        pass
	http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
	END
}
app() { # JQ-FILTER: of what the app says
	curl -s --max-time 5 "http://127.0.0.1:$app_port/" | jq -r "$1"
}
app_is() { [ "$(app .version)" = "$1" ]; }
app_stop() {
	kill "$(jq .pid "$state/app-web.json")" && wait_for 10 test ! -e "$state/app-web.json"
}
