#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# One sample of the load, many readers, each of them real: Prometheus scrapes the agent, HAProxy
# checks its health and follows its agent-check. There are two agents of one instance: the one sees
# this machine, which a busy loop burns, the other a processor that this test plays.
. "$(dirname "$0")/lib.sh"
in_namespaces "$@"
need haproxy prometheus promtool
$python -c 'import prometheus_client.openmetrics.parser' 2>/dev/null ||
	skip_all "python3-prometheus-client is not installed"
sim_start --instance-id i-0aa
place exposition
{
	printf '%s\n' "[index]" "path = $at/index.html"
	! disk data 64M || printf '%s\n' "[volume data]" "device = $dev" "filesystem = ext4" \
		"mount = $at/data"
} >"$conf"
run apply

configure() { # NAME: an agent of that name; sets url and agent_port, and conf
	free_port && url=http://127.0.0.1:$port
	free_port && agent_port=$port
	conf=$at/$1.conf
	printf '%s\n' "[agent]" "listen = ${url#http://}" "agent_check = 127.0.0.1:$agent_port" \
		"[lifecycle]" "drain = 20s" >"$conf"
}
configure seen && seen=$url seen_conf=$conf seen_port=$agent_port
agent_start
seen_agent=$agent

# The processor that is played: what is in $at/mode happens each second, "user steal" in percent.
cat >"$at/play.py" <<'END'
import os, sys, time
mode, path = sys.argv[1:]
user = steal = idle = 0
file = os.open(path, os.O_CREAT | os.O_WRONLY, 0o644)
while True:
    text = "cpu  %10d 0 0 %10d 0 0 0 %10d 0 0\n" % (user, 100000 + idle, steal)
    os.pwrite(file, text.encode(), 0)
    time.sleep(0.25)
    with open(mode) as words:
        u, s = map(int, words.read().split())
    user, steal, idle = user + u, steal + s, idle + 100 - u - s
END
echo "10 90" >"$at/mode"
$python "$at/play.py" "$at/mode" "$at/stat" &
wait_for 5 test -s "$at/stat"
mount --bind "$at/stat" /proc/stat
configure played && played=$url played_port=$agent_port
agent_start
umount -l /proc/stat

# -- HAProxy --

cat >"$at/haproxy.cfg" <<END
global
	stats socket $at/haproxy.sock mode 600 level admin
defaults
	mode http
	timeout connect 1s
	timeout client 5s
	timeout server 5s
frontend web
	bind 127.0.0.1:80
	default_backend web
backend web
	option httpchk GET /instance
	default-server weight 100 check inter 1s fall 3 agent-check agent-inter 300ms
	server seen ${seen#http://} agent-port $seen_port agent-send "seen\n"
	server played ${played#http://} agent-port $played_port
END
haproxy -db -f "$at/haproxy.cfg" >"$at/haproxy.log" 2>&1 &
cat >"$at/show-stat.py" <<'END'
import csv, socket, sys
path, server, fields = sys.argv[1], sys.argv[2], sys.argv[3:]
control = socket.socket(socket.AF_UNIX)
control.connect(path)
control.sendall(b"show stat\n")
text = control.makefile().read().lstrip("# ")
for row in csv.DictReader(text.splitlines()):
    if row["svname"] == server:
        print(*(row[field] for field in fields), sep=", ")
END
show() { # SERVER FIELD...: of HAProxy's statistics
	$python "$at/show-stat.py" "$at/haproxy.sock" "$@"
}
shows() { # WANTED SERVER FIELD...: sets shown, as it changes while a check is being made
	shown=$(show "${@:2}")
	[ "$shown" = "$1" ]
}
line() { # PORT: what agent-check says there
	timeout 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/$1 && cat <&3"
}
metric() { # URL NAME: its value, of one without labels
	curl -s "$1/metrics" | awk -v name="$2" '$1 == name { print $2 }'
}
wait_for 5 shows "UP, 10, via agent : up" played status weight last_agt
is "stolen time alone takes the weight down: 10 % utilization, 90 % steal" \
	"$shown $(line "$played_port")" \
	"UP, 10, via agent : up ready up 10%"
is "which its metric tells, too" "$(metric "$played" instanced_agent_check_weight_ratio)" 0.10
echo "5 0" >"$at/mode"
relieved=$SECONDS
for ((i = 0; i < $(nproc); i++)); do
	timeout 600 sh -c 'while :; do :; done' &
	loops+=($!)
done

# -- both formats --

om='Accept: application/openmetrics-text;version=1.0.0'
url=$seen
out=$(get /metrics | promtool check metrics 2>&1)
ok $? "promtool has nothing to say about the metrics" "$out"
is "OpenMetrics is what is answered to who prefers it" \
	"$(get /metrics -H "$om,text/plain;q=0.5" -D - -o /dev/null | tr -d '\r' |
		grep -e ^Content-Type -e ^Vary)" \
	"Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8
Vary: Accept"
cat >"$at/formats.py" <<'END'
import sys
from prometheus_client import openmetrics, parser
import prometheus_client.openmetrics.parser
text, om = (open(path).read() for path in sys.argv[1:])
samples = lambda families: sorted((s.name, str(sorted(s.labels.items())))
    for family in families for s in family.samples)
families = list(prometheus_client.openmetrics.parser.text_string_to_metric_families(om))
assert samples(families) == samples(parser.text_string_to_metric_families(text)), "samples differ"
for family in families:
    print(family.name, family.type, family.unit or "-")
END
get /metrics >"$at/text" && get /metrics -H "$om" >"$at/om"
families=$($python "$at/formats.py" "$at/text" "$at/om" 2>&1)
ok $? "a strict reader of OpenMetrics accepts it, and both formats have the same samples" "$families"
is "with types and units" "$(grep -e _instance -e cpu_ -e memory_size <<<"$families")" \
	"instanced_instance info -
instanced_cpu_utilization_ratio gauge ratio
instanced_cpu_steal_ratio gauge ratio
instanced_cpu_demand_ratio gauge ratio
instanced_cpu_seconds counter seconds
instanced_memory_size_bytes gauge bytes"

# -- ORCA --

orca() { # PATH VALUE-NAME: read as Envoy reads it
	get "$1" -D - -o /dev/null | tr -d '\r' | sed -n 's/^endpoint-load-metrics: TEXT //p' |
		tr ',' '\n' | sed 's/^ *//' | awk -F: -v name="$2" '$1 == name { print $2 }'
}
for path in /instance /instance/load; do
	is "$path has an ORCA header, of numbers" "$(for name in cpu_utilization mem_utilization \
		application_utilization named_metrics.demand named_metrics.steal; do
		orca $path $name
	done | grep -cE '^[01]\.[0-9]{4}$')" 5
done
is "but not /instance/live" "$(orca /instance/live cpu_utilization)" ""

# -- memory and volumes --

is "memory is the kernel's" "$(get /instance/load | jq .memory.totalBytes)" \
	"$(awk '/^MemTotal:/ { printf "%.0f", $2 * 1024 }' /proc/meminfo)"
if mounted "$at/data" >/dev/null; then
	df=$(df --block-size=1 --output=size,avail "$at/data" | tail -n 1 | xargs)
	is "the volume's bytes are those of df" \
		"$(get /instance/load | jq -r '.volumes.data | "\(.totalBytes) \(.availableBytes)"')" \
		"$df"
else
	skip "the volume's bytes are those of df" "no loop device"
fi

# -- Prometheus --

free_port && prometheus=http://127.0.0.1:$port
cat >"$at/prometheus.yml" <<END
scrape_configs:
  - job_name: instanced
    scrape_interval: 1s
    static_configs:
      - targets: ["${seen#http://}", "${played#http://}"]
END
prometheus --config.file="$at/prometheus.yml" --storage.tsdb.path="$at/tsdb" \
	--web.listen-address="${prometheus#http://}" >"$at/prometheus.log" 2>&1 &
server=$!
query() { # PROMQL [JQ-FILTER]: of the first result
	curl -s "$prometheus/api/v1/query" --data-urlencode "query=$1" |
		jq -r ".data.result[0] | ${2:-.value[1]}"
}
query_is() { [ "$(query "$1")" = "$2" ]; }
wait_for 15 query_is 'sum(up)' 2
wait_for 15 query_is 'count(rate(instanced_cpu_seconds_total{mode="user"}[10s]))' 2
is "Prometheus scrapes both" "$(query 'sum(up)')" 2
is "as OpenMetrics: only that tells it types like info, and units" \
	"$(curl -s "$prometheus/api/v1/targets/metadata?limit=1&metric=instanced_instance" |
		jq -r '.data[0].type') $(curl -s \
		"$prometheus/api/v1/targets/metadata?limit=1&metric=instanced_memory_size_bytes" |
		jq -r '.data[0] | .type, .unit' | xargs)" "info gauge bytes"
is "it knows which instance" \
	"$(query 'instanced_instance_info' .metric.instance_id)" i-0aa
is "and its memory" "$(query instanced_memory_size_bytes)" \
	"$(metric "$seen" instanced_memory_size_bytes)"
! mounted "$at/data" >/dev/null ||
	is "and its volume" "$(query 'instanced_volume_size_bytes{volume="data"}' \
		'"\(.value[1]) \(.metric.mountpoint)"')" "${df% *} $at/data"
is "its status" "$(query 'instanced_status == 1' .metric.status)" ready
is "and its requests, of which each scrape is one" \
	"$(query 'increase(instanced_http_requests_total[10s]) > bool 1')" 1

# -- a busy loop, and relief --

burnt() { # a loop may not get every tick
	[ "$(show seen weight)" -le 20 ] && shows "$(line "$seen_port" | tr -dc 0-9)" seen weight
}
wait_for 15 burnt
ok $? "a busy loop takes the weight down, as agent-check says it" \
	"$(show seen status weight) $(line "$seen_port")"
wait_for 5 shows "UP, L7OK" seen status check_status
is "the instance stays in rotation, and answers" "$shown" "UP, L7OK"
is "as /instance says it is" \
	"$(curl -s "$seen/instance" | jq -r '.status, .load.demand > 0.9' | xargs)" "ready true"
wait_for 15 shows "UP, 100" played status weight
is "where time is not stolen any more, the weight has come back" \
	"$shown $(line "$played_port")" "UP, 100 ready up 100%"
echo "# after $((SECONDS - relieved)) s"
ratio="instanced_agent_check_weight_ratio{instance=\"${seen#http://}\"}"
wait_for 5 query_is "$ratio <= bool 0.2" 1
ok $? "Prometheus has the same weight" "$(query "$ratio")"
kill "${loops[@]}"
kill $server

# -- status --

url=$seen
$python - "${seen##*:}" "$at/held" <<'END' &
import pathlib, socket, sys
held = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
held.sendall(b"GET /instance HTTP/1.1\r\n")
pathlib.Path(sys.argv[2]).touch()
held.recv(4096) # 408, after five seconds
END
wait_for 3 test -e "$at/held"
while kill -0 $seen_agent; do
	show seen status >>"$at/shown"
	line "$seen_port" >>"$at/lines"
done 2>/dev/null &
watching=$!
kill -TERM $seen_agent
wait $seen_agent $watching
is "an agent that ends drains: HAProxy knows before its health checks do" \
	"$(grep -v -m 1 ^UP "$at/shown") $(grep -v -m 1 up "$at/lines")" "DRAIN (agent) drain"
conf=$seen_conf state=$at/none agent_start
wait_for 5 shows "DOWN (agent), via agent : down (starting)" seen status last_agt
is "one that starts takes no requests, and says so" "$shown" \
	"DOWN (agent), via agent : down (starting)"
cp -r "$at/state" "$at/none"
wait_for 5 shows "UP, via agent : up" seen status last_agt
is "and comes back by itself" "$shown" "UP, via agent : up"
jq '.items[0].status = "failed" | .items[0].required = true' "$at/state/state.json" \
	>"$at/none/.new" && mv "$at/none/.new" "$at/none/state.json"
wait_for 5 shows "DOWN (agent), via agent : fail (failed)" seen status last_agt
is "one that has failed is down" "$shown" "DOWN (agent), via agent : fail (failed)"
cp "$at/state/state.json" "$at/none/.new" && mv "$at/none/.new" "$at/none/state.json"
wait_for 5 shows UP seen status
if umount "$at/data" 2>/dev/null; then
	wait_for 5 shows "DOWN (agent)" seen status
	is "a volume that is gone has no numbers any more, least of all those of the root" \
		"$(get /instance/load | jq -c .volumes) $(get /metrics | grep -c ^instanced_volume)" \
		"{} 0"
else
	skip "a volume that is gone has no numbers any more" "no loop device"
fi
is "nothing was reported by a sanitizer" "$(grep -h Sanitizer "$work"/*.err)" ""
done_testing
