# shellcheck shell=bash disable=SC2034 # used by those who read this in
#
# What the benchmarks share: the agent with a real state, its peers, and an end that leaves nothing.
# Nothing here is executable by itself. BUILD is the build directory (default: build; never one with
# sanitizers). Every figure is also appended to the file RESULTS, where `run` collects them.
set -euo pipefail
shopt -s inherit_errexit
PATH=$PATH:/usr/sbin:/sbin # as a person may have it not
export LC_ALL=C
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${BUILD:-$top/build}
client=$build/tests/bench/health-checks

# -- the end: what was started here is stopped, and the directory removed --

work='' pids=()

stop() { # stop PID...
	local pid
	for pid; do kill -TERM "$pid" 2>/dev/null || true; done
	for pid; do wait "$pid" 2>/dev/null || true; done
}

clean_up() {
	trap '' INT TERM HUP
	stop "${pids[@]}"
	[ -z "$work" ] || rm -rf "$work"
}

begin() { # begin "$@": reads how thorough to be, builds, makes the directory
	case "${1:-}" in
	"") extent=full ;;
	--quick | --long) extent=${1#--} ;;
	*) sed -n '2,/^set\|^$/s/^# \{0,1\}//p' "$0"; [ "$1" = --help ] && exit 0 || exit 2 ;;
	esac
	MAKE_TARGETS='instanced tests/bench/health-checks tests/imds-sim/imds-sim' "$top/packaging/build" "$build"
	! grep -q '^SANITIZE_FLAGS = .' "$build/Makefile" || fail "$build is built with sanitizers"
	trap clean_up EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	work=$(mktemp -d "${TMPDIR:-/tmp}/instanced-bench.XXXXXX")
	chmod 755 "$work"
}

fail() { echo "$(basename "$0"): $*" >&2; exit 1; }

have() { # have PROGRAM: or says what is left out
	command -v "$1" >/dev/null && return
	echo "$1 is not installed (packaging/dependencies bench): left out"
	return 1
}

# -- starting things; `started` is the PID --

free_port() { # free_port FIRST: the first one from there on that nobody listens on
	local port
	for ((port = $1; port < $1 + 100; port++)); do
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
	done
	fail "the ports $1 to $((port - 1)) of 127.0.0.1 are all busy"
}

start() { # start PORT PATH COMMAND...: returns when it answers with 200
	local url=http://127.0.0.1:$1$2 tries=100
	shift 2
	"$@" >>"$work/log" 2>&1 &
	started=$!
	pids+=("$started")
	until curl -fso /dev/null "$url"; do
		if ! ((tries-- > 0)) || ! kill -0 "$started" 2>/dev/null; then
			fail "$* does not answer: $(tail "$work/log")"
		fi
		sleep 0.1
	done
}

# A volume (the root file system stands for it), a page, and an app whose health is asked for every
# 5 s. The app is the agent itself, which counts these answers against us.
write_state() { # write_state PORT
	local number state=$work/state-$1
	number=$(awk '$5 == "/" { n = $3 } END { print n }' /proc/self/mountinfo)
	mkdir -p "$state"
	echo '<!DOCTYPE html><title>bench</title><h1>i-0123456789abcdef0</h1>' >"$state/index.html"
	cat >"$state/state.json" <<-END
	{ "version": 1, "phase": "settled", "updated": 1767225600,
	  "identity": { "instanceId": "i-0123456789abcdef0", "instanceType": "t3.micro",
	    "imageId": "ami-0123456789abcdef0", "region": "us-east-1",
	    "availabilityZone": "us-east-1a", "privateIp": "10.0.0.11", "tags": { "Name": "bench" } },
	  "items": [
	    { "kind": "volume", "name": "data", "required": true, "status": "ok", "path": "/",
	      "device": "/dev/sdf", "filesystem": "xfs", "sizeBytes": 107374182400,
	      "major": ${number%:*}, "minor": ${number#*:} },
	    { "kind": "index", "name": "index", "required": false, "status": "ok",
	      "path": "/var/www/html/index.html" },
	    { "kind": "app", "name": "web", "required": true, "status": "ok",
	      "release": "20260101T000000Z-v1.2", "health": "http://127.0.0.1:$1/instance/live" } ] }
	END
}

# The metadata service, which the agent asks for notices.
start_imds() {
	local tries=100
	"$top/tests/imds-sim/tree-make" "$work/imds"
	"$build/tests/imds-sim/imds-sim" --ports-file "$work/imds.url" "$work/imds" \
		>>"$work/log" 2>&1 &
	pids+=($!)
	until [ -s "$work/imds.url" ]; do
		((tries-- > 0)) || fail "the metadata simulator does not start"
		sleep 0.1
	done
}

start_agent() { # start_agent PORT [COMMAND...]: the command starts the agent
	local port=$1
	shift
	[ -s "$work/imds.url" ] || start_imds
	write_state "$port"
	printf '[agent]\nlisten = 127.0.0.1:%s\n' "$port" >"$work/agent-$port.conf"
	start "$port" /instance "$@" "$build/instanced" --config "$work/agent-$port.conf" \
		--state "$work/state-$port" --imds "$(<"$work/imds.url")"
}

# The peer that does least: one worker, no log, an answer from memory as long as ours.
start_nginx() { # start_nginx PORT LENGTH [COMMAND...]
	local port=$1 body dir=$work/nginx-$1 kind
	body=$(printf '%*s' "$2" '' | tr ' ' x)
	shift 2
	mkdir -p "$dir"
	{
		printf '%s\n' "worker_processes 1;" "daemon off;" "pid $dir/pid;" \
			"error_log $dir/error.log;" "events { worker_connections 1024; }" \
			"http {" "access_log off;" "keepalive_requests 1000000000;"
		for kind in client_body proxy fastcgi uwsgi scgi; do
			echo "${kind}_temp_path $dir/$kind;"
		done
		echo "default_type application/json;"
		echo "server { listen 127.0.0.1:$port; location / { return 200 '$body'; } } }"
	} >"$dir/nginx.conf"
	start "$port" / "$@" nginx -p "$dir" -e "$dir/error.log" -c "$dir/nginx.conf"
}

# -- figures --

headline() { printf '\n%-42s %12s %12s %10s\n' "$1" ours peer ratio; }

ratio() { # ratio OURS PEER
	awk -v a="$1" -v b="${2:-}" 'BEGIN { if (b + 0 > 0) printf "%.2f", a / b; else print "-" }'
}

figure() { # figure NAME OURS [PEER [RATIO]]: "-" for what there is not
	printf '%-42s %12s %12s %10s\n' "$1" "$2" "${3:--}" "${4:-$(ratio "$2" "${3:-}")}" |
		tee -a "${RESULTS:-/dev/null}"
}

processor_ms() { # processor_ms PID: of all its threads, first field of proc(5) schedstat
	cat "/proc/$1/task/"*/schedstat | awk '{ n += $1 } END { printf "%.3f\n", n / 1000000 }'
}

since() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f\n", b - a }'; } # since BEFORE NOW

quantiles() { # quantiles Q...: of the numbers on standard input, on one line
	sort -n | awk -v wanted="$*" '
		{ x[NR] = $1 }
		END {
			n = split(wanted, q, " ")
			for (i = 1; i <= n; i++) {
				at = int(q[i] * NR + 0.999999)
				printf "%s%s", x[at < 1 ? 1 : at], i < n ? " " : "\n"
			}
		}'
}
