#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What arrives at CloudWatch: four agents at a time, on the same machine but in different places of
# the cloud, with real signatures and gzip: one that all goes well for but for its credentials, which
# are rotated; one that learns its group from the API; one without a role; one whose service is away.
# What CloudWatch has is held against what /instance/load said meanwhile.
#
# shellcheck disable=SC2034 # what lib.sh reads
. "$(dirname "$0")/lib.sh"
in_namespaces "$@"
need mkfs.ext4
$python -c 'import botocore' 2>/dev/null || skip_all "python3-botocore is not installed"
PERIOD=10

# cloud NAME: an AWS of its own. control NAME METHOD PATH JSON
cloud() {
	"$top/tests/aws-sim/aws-sim" --listen 127.0.0.1:0 --ports-file "$work/$1.cloud" \
		--log "$work/$1.calls" >"$work/$1.cloud.err" 2>&1 &
}
control() {
	curl -sS --max-time 5 -X "$2" "$(<"$work/$1.cloud")/_control/$3" ${4:+-d "$4"}
}
calls() { # CLOUD [JQ-FILTER]: of the calls so far
	jq -c "select(.action == \"PutMetricData\") | ${2-.}" "$work/$1.calls" 2>/dev/null
}
called() { [ "$(calls "$1" "${2-.}" | wc -l)" -ge "${3-1}" ]; }

# instance NAME CLOUD [tree-make OPTION]...: its metadata, configuration, state and agent. Sets url.
declare -A urls=() agents=()
instance() {
	local name=$1 in=$2
	shift 2
	place "$name"
	"$top/tests/imds-sim/tree-make" "$at/imds" --instance-id "i-0$name" "$@"
	"$work/bin/imds-sim" --ports-file "$at/imds.url" --log "$at/imds.log" "$at/imds" >/dev/null &
	wait_for 5 test -s "$at/imds.url"
	imds=$(<"$at/imds.url")
	free_port && url=http://127.0.0.1:$port
	cat >"$conf" <<-END
	[agent]
	listen = 127.0.0.1:$port
	[aws]
	endpoint = $(<"$work/$in.cloud")
	[scaling]
	cloudwatch = yes
	namespace = ${namespace:-instanced}
	period = ${PERIOD}s
	$(cat "$at/more" 2>/dev/null)
	END
	run apply
	setpriv --reuid=$NOBODY --regid=$NOBODY --clear-groups "$work/bin/instanced" --verbose \
		--config "$conf" --state "$state" --imds "$imds" 2>"$at/err" &
	agents[$name]=$!
	urls[$name]=$url
	wait_for 5 curl -fs "$url/instance/live"
}

cloud good
cloud away
wait_for 20 test -s "$work/good.cloud" -a -s "$work/away.cloud"
control good POST autoscaling/CreateAutoScalingGroup '{"AutoScalingGroupName": "blue", "MinSize": 0,
	"MaxSize": 4, "LaunchTemplate": {"LaunchTemplateName": "web"}}' >/dev/null
control good POST launch '{"group": "blue", "instance": "i-0bb"}' >/dev/null
control away POST faults '[{"action": "PutMetricData", "fault": "reset", "count": 1},
	{"action": "PutMetricData", "fault": "throttle", "count": 1},
	{"action": "PutMetricData", "fault": "unavailable"}]' >/dev/null

disk data 64M
mkdir -p "$work/aa"
cat >"$work/aa/more" <<END
[volume data]
device = $dev
filesystem = ext4
mount = $work/aa/data
mode = 0755
END
namespace=My/App instance aa good --role web --tag aws:autoscaling:groupName=web
began=$(date +%s)
head -c 20M /dev/urandom >"$work/aa/data/file"
sync "$work/aa/data/file"
instance bb good --role web
began_bb=$(date +%s)
instance cc good
instance dd away --role web --tag aws:autoscaling:groupName=web

# The 10 s window of the load, right after each period, in percent: "START DEMAND UTILIZATION STEAL".
(
	while sleep 0.1; do
		now=${EPOCHREALTIME/./}
		[ $((now / 1000000 % PERIOD)) = 0 ] && [ $((now % 1000000)) -gt 500000 ] || continue
		curl -s "${urls[aa]}/instance/load" | jq -r --argjson at $((now / 1000000 - PERIOD)) \
			'.windows["10"] | "\($at) \(100 * .demand) \(100 * .utilization) \(100 * .steal)"'
		sleep 1
	done >"$work/windows"
) &

wait_for 25 called good '.parameters.MetricData[].Dimensions[] | select(.Value == "i-0aa")' &&
	wait_for 15 called good '.parameters.MetricData[].Dimensions[] | select(.Value == "i-0bb")'
ok $? "the first metrics arrive within two periods"

# Rotated: the key of before is not good any more, and metadata has another.
role=iam/security-credentials/web
rotated=$(jq '.AccessKeyId = "ASIAROTATED" | .SecretAccessKey = "rotated-secret" |
	.Token = "rotated-token"' "$work/aa/imds/meta-data/$role")
first_key=$(jq -r .AccessKeyId "$work/aa/imds/meta-data/$role")
for name in aa bb; do
	echo "$rotated" >"$work/$name/imds/meta-data/$role"
done
control good PUT credentials "$rotated" >/dev/null
control good DELETE "credentials/$first_key" >/dev/null
kill -HUP "${agents[bb]}" # it begins anew; what it holds goes first
until [ $(($(date +%s) - began)) -ge 22 ]; do sleep 0.2; done

is "while nothing can be published, an agent serves" \
	"$(curl -s "${urls[cc]}/instance" | jq -r .instanceId; curl -s -o /dev/null -w '%{http_code}' "${urls[dd]}/instance")" \
	"i-0cc"$'\n'200
counter() { # NAME COUNTER
	curl -s "${urls[$1]}/metrics" | awk -v name="instanced_cloudwatch_$2_total" '$1 == name { print $2 }'
}
[ "$(counter aa metrics_published)" -ge 10 ] && [ "$(counter aa calls)" -ge 1 ]
ok $? "/metrics counts what was published" "$(curl -s "${urls[aa]}/metrics" | grep cloudwatch)"
failed() { [ "$(counter "$1" calls_failed)" -ge 1 ]; }
wait_for 20 failed dd && [ "$(counter dd metrics_published)" = 0 ]
ok $? "and calls that failed" "$(curl -s "${urls[dd]}/metrics" | grep cloudwatch)"
df --block-size=1 --output=size,avail "$work/aa/data" >"$work/df"
is "whose service is away has published nothing" "$(control away GET metrics)" "[]"
control away DELETE faults >/dev/null
stopped=${EPOCHREALTIME/./}
kill -TERM "${agents[@]}"
for name in aa bb cc dd; do
	wait "${agents[$name]}"
	is "$name ends well" $? 0
done
took=$(((${EPOCHREALTIME/./} - stopped) / 1000))
[ $took -lt 2500 ]
ok $? "and soon: what is held is sent within two seconds" "$took ms"
ended=$(date +%s)

# -- what arrived --

control good GET metrics >"$work/good.metrics"
control away GET metrics >"$work/away.metrics"
sums() { # CLOUD JQ-FILTER
	jq -r "$2" "$work/$1.metrics"
}
is "the metrics are these" "$(sums good '[.[] | select(.dimensions | tostring | test("i-0aa|web")) |
	"\(.namespace) \(.name) \(.dimensions | tostring | gsub("[\"{}]"; ""))"] | unique[]')" "$(cat <<'END'
My/App demand AutoScalingGroupName:web
My/App demand InstanceId:i-0aa
My/App disk AutoScalingGroupName:web,Volume:data
My/App disk InstanceId:i-0aa,Volume:data
My/App memory AutoScalingGroupName:web
My/App memory InstanceId:i-0aa
My/App steal AutoScalingGroupName:web
My/App steal InstanceId:i-0aa
My/App utilization AutoScalingGroupName:web
My/App utilization InstanceId:i-0aa
END
)"
is "a group that no tag tells of is learnt from the API" "$(sums good '[.[].dimensions.AutoScalingGroupName // empty] | unique[]')" \
	"blue"$'\n'"web"
is "what packaging/examples/scaling-policy.json scales by is among them" "$(
	sums good ".[] | select(.dimensions.AutoScalingGroupName == \"blue\") |
		\"\(.namespace) \(.name) \(.unit)\"" | grep demand | sort -u)" \
	"$(jq -r '.TargetTrackingConfiguration.CustomizedMetricSpecification |
		"\(.Namespace) \(.MetricName) \(.Unit)"' \
		"$top/packaging/examples/scaling-policy.json")"
is "in percent, with a resolution of a second" \
	"$(sums good '[.[] | "\(.unit) \(.resolution)"] | unique[]')" "Percent 1"
is "all calls are good, but for those with the old key" \
	"$(jq -r '.error // empty' "$work/good.calls" | sort -u)" InvalidClientTokenId
is "they go on with the new one" "$(calls good 'select(.error | not) | .key' | sort -u | tr '\n' ' ')" \
	"\"$first_key\" \"ASIAROTATED\" "
is "gzipped" "$(calls good .gzip | sort -u)" true
[ "$(calls good .bytes | sort -n | tail -n 1)" -lt 2000 ]
ok $? "a call is less than 2,000 bytes" "$(calls good .bytes)"

# Prints "good|name|note" of each thing that is to be true of the numbers.
cat >"$work/numbers.py" <<'END'
import json, sys
work, period, began, began_bb, ended = sys.argv[1], *map(int, sys.argv[2:])

def ok(name, good, note=""):
    print("%d|%s|%s" % (not good, name, str(note)))

def read(cloud):
    """{(dimension, name): {start: (count, sum, min, max)}}"""
    sets = {}
    for one in json.load(open("%s/%s.metrics" % (work, cloud))):
        owner = one["dimensions"].get("InstanceId") or one["dimensions"]["AutoScalingGroupName"]
        numbers = tuple(one[key] for key in ("count", "sum", "min", "max"))
        sets.setdefault((owner, one["name"]), {})[one["time"]] = numbers
    return sets

good = read("good")
demand = good["i-0aa", "demand"]
ok("periods begin at multiples of their length", all(
    start % period == 0 for each in good.values() for start in each), demand)
ok("under the group there are the same sets as under the instance", all(
    good["i-0aa", name] == good["web", name] and good["i-0bb", name] == good["blue", name]
    for name in ("demand", "utilization", "steal", "memory")) and
   good["i-0aa", "disk"] == good["web", "disk"])
whole = sorted(demand)[1:-1]
ok("there are whole periods", len(whole) >= 1, demand)
ok("which have all their seconds, but for one or two", all(
    period - 2 <= demand[start][0] <= period for start in whole), demand)
seconds = sum(each[0] for each in demand.values())
ok("the seconds of all periods are those of the agent's life", abs(
    seconds - (ended - began)) <= 5, (seconds, ended - began))
again = sum(each[0] for each in good["i-0bb", "demand"].values())
ok("also of one that began anew meanwhile", abs(again - (ended - began_bb)) <= 6,
   (good["i-0bb", "demand"], ended - began_bb))
ok("minimum, mean and maximum are in order, and shares", all(
    0 <= low <= total / count + 1e-6 and total / count <= high + 1e-6 <= 100.001
    for each in good.values() for count, total, low, high in each.values()), good)
ok("demand is utilization and steal", all(
    abs(good["i-0aa", "utilization"][start][1] + good["i-0aa", "steal"][start][1] -
        demand[start][1]) < 1e-6 for start in demand), good)
windows = [list(map(float, line.split())) for line in open(work + "/windows")]
both = [row for row in windows if row[0] in whole]
ok("/instance/load's window of the same time says the same", both and all(
    abs(good["i-0aa", name][row[0]][1] / good["i-0aa", name][row[0]][0] - value) < 8
    for row in both for name, value in zip(("demand", "utilization", "steal"), row[1:])),
   (windows, demand))

meminfo = dict(line.split()[:2] for line in open("/proc/meminfo"))
used = 100 - 100 * int(meminfo["MemAvailable:"]) / int(meminfo["MemTotal:"])
ok("memory is what is not available", all(
    abs(total / count - used) < 15 for count, total, _, _ in good["i-0aa", "memory"].values()),
   (used, good["i-0aa", "memory"]))
size, available = map(int, open(work + "/df").read().split()[-2:])
full = 100 - 100 * available / size
last = good["i-0aa", "disk"][max(good["i-0aa", "disk"])]
ok("disk is what df says of the volume", 20 < full < 80 and abs(last[1] / last[0] - full) < 1,
   (full, good["i-0aa", "disk"]))

away = read("away")["i-0dd", "demand"]
ok("an outage loses nothing: all periods arrive in the end",
   len(away) >= 2 and sorted(away) == list(range(min(away), max(away) + 1, period)), away)
ok("each with its seconds", all(
    period - 2 <= away[start][0] <= period for start in sorted(away)[1:-1]), away)
seconds = sum(each[0] for each in away.values())
ok("which are those of the agent's life", abs(seconds - (ended - began)) <= 5,
   (seconds, ended - began))
END
while IFS='|' read -r bad name note; do
	ok "$bad" "$name" "$note"
done < <($python "$work/numbers.py" "$work" $PERIOD "$began" "$began_bb" "$ended" || echo "1|numbers.py runs to its end|")
is "throttled, reset and unavailable it was" "$(jq -r .fault "$work/away.calls" | sort -u | xargs)" \
	"null reset throttle unavailable"
[ "$(calls away 'select(.status == 200)' | wc -l)" -le 2 ]
ok $? "and what was held went in one call, or in two" "$(calls away '[.status, .bytes]')"

# -- words --

is "without a role, that is said once" "$(grep -c 'PutMetricData.*no role' "$work/cc/err")" 1
is "and not that anything was published" "$(grep -c 'published' "$work/cc/err")" 0
is "of an outage, its beginning and its end are" \
	"$(grep -c 'scaling: ' "$work/dd/err"):$(grep -c 'is published again' "$work/dd/err")" 2:1
is "of rotated credentials nothing is" "$(grep scaling "$work/aa/err" "$work/bb/err")" ""
is "no secret is in a log" "$(grep -lF -e wJalrXUtnFEMI -e session-token -e rotated-secret \
	-e rotated-token "$work"/*/err)" ""
done_testing
