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
declare -A urls=() agents=() began=()
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
	began[$name]=$(date +%s)
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
# What the machine says meanwhile: "memory USED", in percent; "window START DEMAND UTILIZATION
# STEAL", the load's 10 s at the end of a period; "late SECONDS", as an agent may have been then: it
# does not make up for those. aa is asked as soon as a link tells its URL.
cat >"$work/watch.py" <<'END'
import json, os, sys, time, urllib.request
url, period, last = sys.argv[1], int(sys.argv[2]), time.time()
while True:
    time.sleep(0.1)
    now = time.time()
    if now - last > 1.1:
        print("late %f" % (now - last - 0.1))
    last = now
    meminfo = dict(line.split()[:2] for line in open("/proc/meminfo"))
    print("memory %f" % (100 - 100 * int(meminfo["MemAvailable:"]) / int(meminfo["MemTotal:"])))
    if not (0.5 < now % period < 1.2 and os.path.islink(url)):
        continue
    load = json.load(urllib.request.urlopen(os.readlink(url) + "/instance/load"))
    window = load["windows"]["10"]
    if window and time.time() % period < 1.2:
        print("window %d %f %f %f" % (now // period * period - period, *(
            100 * window[name] for name in ("demand", "utilization", "steal"))))
END
$python -u "$work/watch.py" "$work/url" $PERIOD >"$work/watched" &
watching=$!
wait_for 5 test -s "$work/watched"
instance dd away --role web --tag aws:autoscaling:groupName=web
namespace=My/App instance aa good --role web --tag aws:autoscaling:groupName=web
head -c 20M /dev/urandom >"$work/aa/data/file"
sync "$work/aa/data/file"
ln -s "${urls[aa]}" "$work/url"
instance bb good --role web
instance cc good

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
until [ $(($(date +%s) - began[aa])) -ge 22 ]; do sleep 0.2; done

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
kill $watching
stopped=${EPOCHREALTIME/./}
kill -TERM "${agents[@]}"
for name in aa bb cc dd; do
	wait "${agents[$name]}"
	is "$name ends well" $? 0
done
took=$(((${EPOCHREALTIME/./} - stopped) / 1000))
[ $took -lt 7000 ] # a call may take 8 s
ok $? "and soon: what is held is sent within two seconds" "$took ms"
ended=$((stopped / 1000000))

# -- what arrived --

# arrived CLOUD NAME: all of an agent's life but for some seconds; it may not have waited for that
arrived() {
	control "$1" GET metrics | jq -e --arg id "i-0$2" --argjson life $((ended - began[$2])) \
		'[.[] | select(.name == "demand" and .dimensions.InstanceId == $id).count] |
		add >= $life - 5'
}
wait_for 3 arrived good aa
wait_for 3 arrived good bb
wait_for 3 arrived away dd
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
work, period, ended, began_aa, began_bb, began_dd = sys.argv[1], *map(int, sys.argv[2:])
watched = {"late": [], "memory": [], "window": []}
for line in open(work + "/watched"):
    kind, *numbers = line.split()
    watched[kind].append(list(map(float, numbers)))
late = sum(seconds for seconds, in watched["late"])

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
    period - 2 - late <= demand[start][0] <= period + 1 for start in whole), (late, demand))
seconds = sum(each[0] for each in demand.values())
ok("the seconds of all periods are those of the agent's life", abs(
    seconds - (ended - began_aa)) <= 5 + late, (seconds, ended - began_aa, late))
again = sum(each[0] for each in good["i-0bb", "demand"].values())
ok("also of one that began anew meanwhile", abs(again - (ended - began_bb)) <= 6 + late,
   (good["i-0bb", "demand"], ended - began_bb, late))
ok("minimum, mean and maximum are in order, and shares", all(
    0 <= low <= total / count + 1e-6 and total / count <= high + 1e-6 <= 100.001
    for each in good.values() for count, total, low, high in each.values()), good)
ok("demand is utilization and steal", all(
    abs(good["i-0aa", "utilization"][start][1] + good["i-0aa", "steal"][start][1] -
        demand[start][1]) < 1e-6 for start in demand), good)
both = [row for row in watched["window"] if row[0] in whole]
ok("/instance/load's window of the same time says the same", both and all(
    abs(good["i-0aa", name][row[0]][1] / good["i-0aa", name][row[0]][0] - value) < 15
    for row in both for name, value in zip(("demand", "utilization", "steal"), row[1:])),
   (watched["window"], demand))

least, most = min(watched["memory"])[0], max(watched["memory"])[0]
ok("memory is what is not available", all(
    least - 3 < total / count < most + 3
    for count, total, _, _ in good["i-0aa", "memory"].values()),
   (least, most, good["i-0aa", "memory"]))
size, available = map(int, open(work + "/df").read().split()[-2:])
full = 100 - 100 * available / size
last = good["i-0aa", "disk"][max(good["i-0aa", "disk"])]
ok("disk is what df says of the volume", 20 < full < 80 and abs(last[1] / last[0] - full) < 1,
   (full, good["i-0aa", "disk"]))

away = read("away")["i-0dd", "demand"]
ok("an outage loses nothing: all periods arrive in the end",
   len(away) >= 2 and sorted(away) == list(range(min(away), max(away) + 1, period)), away)
ok("each with its seconds", all(
    period - 2 - late <= away[start][0] <= period + 1 for start in sorted(away)[1:-1]),
   (late, away))
seconds = sum(each[0] for each in away.values())
ok("which are those of the agent's life", abs(seconds - (ended - began_dd)) <= 5 + late,
   (seconds, ended - began_dd, late))
END
while IFS='|' read -r bad name note; do
	ok "$bad" "$name" "$note"
done < <($python "$work/numbers.py" "$work" $PERIOD $ended "${began[aa]}" "${began[bb]}" \
	"${began[dd]}" || echo "1|numbers.py runs to its end|")
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
