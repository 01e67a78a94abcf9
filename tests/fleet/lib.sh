# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the fleet tests share: several hosts and a load balancer on one machine, inside the
# namespaces of tests/system/lib.sh, and gone with them.
#
#	. "$(dirname "$0")/lib.sh"
#	in_namespaces "$@"
#	fleet_begin
#	host_start 1
#	wait_for 20 host_is 1 ready
#	balancer_start 1 2 3
#
# Host N is a network, a mount and a PID namespace: 10.77.0.N behind a bridge, a metadata service of
# its own at 169.254.169.254, an empty /run and /var/lib, the agent, the app (tests/fleet/host is
# its process 1). Its processors are a cgroup of CPU bandwidth, seen in its /proc/stat through
# lxcfs: a busy host is busy alone. Process 1 killed is the machine gone.
. "$(dirname "${BASH_SOURCE[0]}")/../system/lib.sh"

readonly HOSTS_MAX=6
readonly HOST_CPU_PERCENT=${HOST_CPU_PERCENT:-30} # of one processor, for each host
readonly CGROUPS=/sys/fs/cgroup
readonly CONTROLLERS='cpu cpuacct cpuset'
readonly BALANCER=10.77.0.254
declare -A host_holder=() host_init=()

# -- CPU of their own --

# A cgroup outlives what is in it, so its name tells whose it is: that of the process outside.
export FLEET_OUTSIDE=${FLEET_OUTSIDE:-$$}
readonly FLEET_CGROUP=instanced-fleet-$FLEET_OUTSIDE

cgroup_sweep() { # of tests that were killed, and of this one
	local directory controller owner
	for controller in $CONTROLLERS; do
		for directory in "$CGROUPS/$controller"/instanced-fleet-*/; do
			owner=${directory%/} owner=${owner##*-}
			[ -d "$directory" ] && { [ "$owner" = "${1-}" ] || [ ! -e "/proc/$owner" ]; } || continue
			find "$directory" -depth -type d -exec rmdir {} +
		done
	done 2>/dev/null
}

# What in_namespaces() does when the outside ends; the cgroups are empty only when all inside is.
leave() {
	local status=$? tries=0
	trap '' INT TERM HUP
	[ -z "$inside" ] || { kill -KILL "$inside" && wait "$inside"; } 2>/dev/null
	while cgroup_sweep $$; compgen -G "$CGROUPS/*/$FLEET_CGROUP" >/dev/null; do
		[ $((tries += 1)) -lt 100 ] || break
		sleep 0.05
	done
	rm -rf "$work"
	exit $status
}
[ "$FLEET_OUTSIDE" != $$ ] || cgroup_sweep

# Sets no_cpu to the reason when hosts cannot have processors of their own here.
cpu_begin() {
	local controller
	no_cpu=
	for controller in $CONTROLLERS; do
		[ -w "$CGROUPS/$controller/tasks" ] || no_cpu="no cgroup controller $controller (version 1)"
	done
	[ -w /dev/fuse ] || no_cpu="no /dev/fuse"
	command -v lxcfs >/dev/null || no_cpu="lxcfs is not installed"
	[ -z "$no_cpu" ] || return
	mkdir "$work/lxcfs"
	# In a directory whose other cgroups nobody here reads; --enable-cfs: a host has as many
	# processors as its bandwidth allows, and what is above is not its idle time.
	nice -n -10 lxcfs -f --enable-cfs -p "$work/lxcfs.pid" "$work/lxcfs" >"$work/lxcfs.log" 2>&1 &
	wait_for 5 test -e "$work/lxcfs/proc/stat" || no_cpu="lxcfs does not start"
}

cpu_make() { # N
	local controller name
	[ -z "$no_cpu" ] || return 0
	for controller in $CONTROLLERS; do
		for name in $FLEET_CGROUP "$FLEET_CGROUP/$1" "$FLEET_CGROUP/$1/agent"; do
			mkdir -p "$CGROUPS/$controller/$name"
			[ $controller = cpuset ] || continue
			cat $CGROUPS/cpuset/cpuset.cpus >"$CGROUPS/cpuset/$name/cpuset.cpus"
			cat $CGROUPS/cpuset/cpuset.mems >"$CGROUPS/cpuset/$name/cpuset.mems"
		done
	done
	# A host has what it is given, whatever else runs on this machine; and its agent what
	# CPUWeight=1000 in instanced.service gives.
	echo 262144 >"$CGROUPS/cpu/$FLEET_CGROUP/cpu.shares"
	echo 10240 >"$CGROUPS/cpu/$FLEET_CGROUP/$1/agent/cpu.shares"
	cpu_limit "$1" "$HOST_CPU_PERCENT"
}

# The processor of host N, which is made, is that of a burstable instance: cpu_limit is its baseline.
cpu_burstable() { # N
	cpu_make "$1"
	cpu_limit "$1" 100
	"$top/tests/fleet/burstable" "$CGROUPS"/{cpu,cpuacct}/"$FLEET_CGROUP/$1" "$work/$1/stat" &
	wait_for 5 test -s "$work/$1/stat"
}

cpu_limit() { # N PERCENT of one processor
	[ -n "$no_cpu" ] || {
		echo 20000 >"$CGROUPS/cpu/$FLEET_CGROUP/$1/cpu.cfs_period_us"
		echo $(($2 * 200)) >"$CGROUPS/cpu/$FLEET_CGROUP/$1/cpu.cfs_quota_us"
	}
}

cpu_join() { # N [/agent]: this very process
	local controller
	[ -z "$no_cpu" ] || return 0
	for controller in $CONTROLLERS; do
		echo $BASHPID >"$CGROUPS/$controller/$FLEET_CGROUP/$1${2-}/tasks"
	done
}

# -- hosts --

part() { # NAME: is over
	echo "# $((SECONDS - part_began)) s: $1"
	part_began=$SECONDS
}
part_began=$SECONDS

fleet_begin() {
	need haproxy ab nsenter
	ip link add br0 type bridge
	ip link set br0 up
	ip address add $BALANCER/24 dev br0
	git init -q --initial-branch main "$work/app"
	cp "$top/tests/fleet/app.py" "$work/app"
	git -C "$work/app" add . && git -C "$work/app" -c user.name=t -c user.email=t@localhost \
		commit -qm app
	cpu_begin
}

host_conf() { # N: what it is configured to be; a test may append to it before the start
	cat <<-END
	[agent]
	listen = 0.0.0.0:8080
	agent_check = 0.0.0.0:8081
	details = 127.0.0.0/8, $BALANCER
	[index]
	path = /var/lib/www/index.html
	title = Host $1
	[app web]
	source = git+file://$work/app
	run = $python app.py
	user = nobody
	env.PORT = 8000
	env.NAME = $(host_id "$1")
	env.ACCESS_LOG = $work/$1/access/log
	health = http://127.0.0.1:8000/health
	${app_lines-}
	[health]
	rise = 1
	fall = 2
	interval = 1s
	[lifecycle]
	drain = 15s
	quiet = 2s
	${host_lines-complete = no}
	END
}
host_id() { echo "i-0000000000000000$1"; }

# host_make N [tree-make OPTION]...: its configuration and metadata, in $work/N
host_make() {
	mkdir -p "$work/$1/access"
	chown nobody "$work/$1/access"
	host_conf "$1" >"$work/$1/instanced.conf"
	"$top/tests/imds-sim/tree-make" "$work/$1/imds" --instance-id "$(host_id "$1")" \
		--local-ipv4 "10.77.0.$1" "${@:2}"
}

host_start() { # N: which is made
	local holder
	[ -d "$CGROUPS/cpu/$FLEET_CGROUP/$1" ] || cpu_make "$1"
	(
		cpu_join "$1"
		exec unshare --mount --pid --net --fork --kill-child --mount-proc \
			"$top/tests/fleet/host" "$work" "$1"
	) >"$work/$1/log" 2>&1 &
	holder=$!
	host_holder[$1]=$holder
	wait_for 5 host_has_network "$holder"
	ip link add "host$1" master br0 up type veth peer name eth0 netns "$holder"
	read -r "host_init[$1]" _ <"/proc/$holder/task/$holder/children"
}
host_has_network() { # HOLDER: and its process 1 is born
	! [ "/proc/$1/ns/net" -ef /proc/self/ns/net ] && grep -q . "/proc/$1/task/$1/children"
}

host_kill() { # N: its power is cut
	kill -KILL "${host_init[$1]}"
	{ wait "${host_holder[$1]}"; } 2>/dev/null
}

enter() { # N COMMAND...: this very process becomes one of the host
	cpu_join "$1"
	exec nsenter --target "${host_init[$1]}" --mount --net --pid -- "${@:2}"
}
on() { (enter "$@"); } # N COMMAND...

says() { # N PATH [curl OPTION]...: of its agent
	curl -s --max-time 5 "${@:3}" "http://10.77.0.$1:8080$2"
}
host_status() { says "$1" /instance | jq -r .status; }
host_is() { [ "$(host_status "$1")" = "$2" ]; }
balanced_by() { # N: what its agent tells HAProxy
	cat <"/dev/tcp/10.77.0.$1/8081"
}
percent() { # N FIELD [SECONDS]: demand, utilization or steal, over 1, 10, 60 or 300
	says "$1" /instance/load | jq ".windows[\"${3-1}\"].$2 * 100 | round"
}

burn_start() { # N: a busy loop on every processor
	local i
	for ((i = 0; i < $(nproc); i++)); do
		enter "$1" setpriv --pdeathsig KILL sh -c 'while :; do :; done' &
		burning+=($!)
	done
}
burn_stop() { # of all
	{ kill -KILL "${burning[@]}" && wait "${burning[@]}"; } 2>/dev/null
	burning=()
}
burning=()

# -- the balancer --

# http-server-close: else HAProxy keeps one idle connection to a host for good, also when it sends
# no more requests there, and a drain waits for that until its time is over.
balancer_conf() { # N...
	cat <<-END
	global
		stats socket ipv4@127.0.0.1:9999 level admin
		nbthread 1
		log stdout format raw local0 notice
	defaults
		mode http
		timeout connect 1s
		timeout check 1s
		timeout client 75s
		timeout server 10s
		retries 3
		option redispatch 1
		option http-server-close
		balance roundrobin
		option httpchk GET /instance
		default-server check port 8080 inter 1s fall 2 rise 1 weight 100
		default-server agent-check agent-port 8081 agent-inter 1s
	frontend web
		bind 127.0.0.1:80
		use_backend agents if { path_beg /instance }
		default_backend apps
	backend agents
	$(for n; do echo "	server host$n 10.77.0.$n:8080"; done)
	backend apps
	$(for n; do echo "	server host$n 10.77.0.$n:8000"; done)
	END
}

balancer_start() { # N...
	balancer_conf "$@" >"$work/haproxy.cfg"
	nice -n -10 haproxy -db -f "$work/haproxy.cfg" >>"$work/haproxy.log" 2>&1 &
	balancer=$!
	wait_for 5 balancer_tell 'show info'
}

balancer_tell() { # COMMAND: by its runtime API
	local stats
	exec {stats}<>/dev/tcp/127.0.0.1/9999 || return
	echo "$1" >&"$stats"
	cat <&"$stats"
	exec {stats}>&-
}

# stat BACKEND N FIELD...: of the balancer's statistics, by the names of its own first line
stat_of() {
	balancer_tell 'show stat' | awk -F , -v backend="$1" -v server="host$2" -v fields="${*:3}" '
		NR == 1 { sub(/^# /, ""); for (i = 1; i <= NF; i++) column[$i] = i }
		$1 == backend && $2 == server {
			n = split(fields, name, " ")
			for (i = 1; i <= n; i++) printf "%s%s", $column[name[i]], i < n ? " " : "\n"
		}'
}
stat_is() { [[ $(stat_of "$1" "$2" "${@:4}") == $3 ]]; }

# -- load --

# load NAME REQUESTS [MS]: by ten clients, each of which waits for its answer; the app takes MS
# milliseconds for one. NAME is how the access logs know them. Sets sent, and bad: of these, without
# an answer or with another than a 200. An answer of another length than the first is a failure for
# ab: that of a balancer which has nobody to ask, and none.
readonly CLIENTS=10
load() {
	ab -q -k -r -s 20 -n "$2" -c $CLIENTS "http://127.0.0.1/$1?ms=${3-0}" >>"$work/load.$1" 2>&1
	read -r sent bad < <(awk '/^Complete requests:/ { sent += $NF; bad += most; most = 0 }
		/^Failed requests:|^Non-2xx responses:/ && $NF > most { most = $NF }
		END { print sent + 0, bad + most }' "$work/load.$1")
}

# load_start NAME MS: the same, until load_end
load_start() {
	(
		for ((i = 0; i < 1000; i++)); do
			[ ! -e "$work/load.$1.end" ] || break
			load "$1" 100 "$2"
		done
		echo "$sent $bad" >"$work/load.$1.end"
	) &
	loading=$!
}
load_end() { # NAME
	touch "$work/load.$1.end"
	wait "$loading"
	read -r sent bad <"$work/load.$1.end"
}
all_served() { # NAME WORDS: after load_end: there was some, no request failed, the logs have all of them
	[ "$sent" -ge 100 ] && [ "$bad" = 0 ] && [ "$(logged "$1")" = "$sent" ]
	ok $? "$2" "$sent sent, $bad failed, $(logged "$1") in the logs"
}
logged() { # NAME [N]: requests in the access logs, of host N alone
	cat "$work"/${2-[0-9]}/access/log 2>/dev/null | grep -c "^/$1?"
}
