#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# An Auto Scaling group that follows its instances' 10 s demand: tests/aws-sim decides by what the
# agents publish, this makes and ends the machines that it asks for, and HAProxy finds them by
# itself. Burn: the group grows. Stop: it shrinks.
#
# With FLEET_LONG=1 the alarms need as many datapoints as target tracking's own: 3 and 15.
. "$(dirname "$0")/lib.sh"
need curl
in_namespaces "$@"
fleet_begin
[ -z "$no_cpu" ] || skip_all "$no_cpu"
high=2 low=1
[ -z "${FLEET_LONG-}" ] || high=3 low=15
readonly GROUP=web AWS=http://$BALANCER:4560

# -- the AWS side --

"$top/tests/aws-sim/aws-sim" --listen $BALANCER:4560 --ports-file "$work/aws.url" \
	--log "$work/aws.log" >/dev/null 2>"$work/aws.err" &
wait_for 15 test -s "$work/aws.url" || skip_all "aws-sim does not start: $(tail -n 1 "$work/aws.err")"
aws() { # PATH [JSON]: of the simulator's control
	curl -sf "$AWS/_control/$1" ${2:+"${3--XPOST}" -d "$2"}
}
group() { aws state | jq -r ".groups.$GROUP | $1"; } # JQ-FILTER

host_lines="[aws]
endpoint = $AWS
[scaling]
cloudwatch = yes"

# What EC2 does: machines appear and go as the group wants it. Sets what happened as events.
seen=0 events=
group_follow() {
	local number event instance rest
	while read -r number event instance rest; do
		seen=$number events+="$event $instance $rest"$'\n'
		case $event in
		launch)
			host_make "${instance: -1}" --role web --tag "aws:autoscaling:groupName=$GROUP"
			aws "instances/$instance" "{\"imds\": \"$work/${instance: -1}/imds\"}" -XPUT >/dev/null
			host_start "${instance: -1}"
			;;
		terminate) host_kill "${instance: -1}" ;;
		esac
	done < <(aws "events?after=$seen" | jq -r '.[] | "\(.number) \(.event) \(.instance // "-") " +
		"\(.state // "\(.hook // "")\(.result // "")") \(.old // "") \(.desired // "") \(.time)"')
}
# group_until SECONDS COMMAND...: as wait_for, while machines come and go
group_until() {
	local end=$((SECONDS + $1 * PATIENCE))
	shift
	until group_follow && "$@" >/dev/null 2>&1; do
		[ $SECONDS -le $end ] || return 1
		sleep 0.2
	done
}
in_service() { [ "$(group '[.instances[] | select(.state == "InService")] | length')" = "$1" ]; }
desired() { [ "$(group .desired)" = "$1" ]; }

hook() { # NAME TRANSITION
	aws autoscaling/PutLifecycleHook "{\"AutoScalingGroupName\": \"$GROUP\",
		\"LifecycleHookName\": \"$1\", \"LifecycleTransition\": \"autoscaling:EC2_INSTANCE_$2\",
		\"HeartbeatTimeout\": 60, \"DefaultResult\": \"ABANDON\"}" >/dev/null
}
aws settings "{\"ids\": [$(for n in 1 2 3; do echo "\"$(host_id $n)\""; done | paste -sd,)],
	\"tracking\": {\"high\": $high, \"low\": $low}}" -XPUT >/dev/null
aws autoscaling/CreateAutoScalingGroup "{\"AutoScalingGroupName\": \"$GROUP\", \"MinSize\": 0,
	\"MaxSize\": 3, \"LaunchTemplate\": {\"LaunchTemplateName\": \"web\"}}" >/dev/null
hook launch LAUNCHING
hook terminate TERMINATING
balancer_start 1 2 3
host_make 4 # of no group
cpu_burstable 4
host_start 4
aws autoscaling/UpdateAutoScalingGroup \
	"{\"AutoScalingGroupName\": \"$GROUP\", \"MinSize\": 2, \"DesiredCapacity\": 2}" >/dev/null
group_until 30 in_service 2
ok $? "a group of two: each completes its launch by itself" "$(group .instances) $events"
is "when it was ready" "$(host_status 1) $(host_status 2)" "ready ready"
wait_for 5 stat_is apps 2 UP status
part "launched"

published() { # JQ-FILTER: of the statistic sets of the group's demand
	aws metrics | jq "[.[] | select(.name == \"demand\" and
		.dimensions == {\"AutoScalingGroupName\": \"$GROUP\"})] | $1"
}

# -- burn: scale out --

calm() { # [TIME]: for the 10 s of the newest datapoint, which is newer than that
	[ "$(published "max_by(.time).time as \$newest | map(select(.time > \$newest - 10)) |
		\$newest > ${1:-null} and ([.[].sum] | add) / ([.[].count] | add) < 50")" = true ]
}
group_until 60 calm # once its apps have started
aws autoscaling/PutScalingPolicy "{\"AutoScalingGroupName\": \"$GROUP\", \"PolicyName\": \"demand\",
	\"PolicyType\": \"TargetTrackingScaling\", \"TargetTrackingConfiguration\": {\"TargetValue\": 50,
	\"CustomizedMetricSpecification\": {\"MetricName\": \"demand\", \"Namespace\": \"instanced\",
	\"Statistic\": \"Average\", \"Unit\": \"Percent\", \"Period\": 10, \"Dimensions\":
	[{\"Name\": \"AutoScalingGroupName\", \"Value\": \"$GROUP\"}]}}}" >/dev/null
ok $? "the group tracks a demand of 50 %"
app_lines="build = until [ -e $work/open ]; do sleep 0.1; done" # of the next machine
was=$(published 'max_by(.time).time')
group_until 40 calm "$was"
is "calm: it stays at two" "$(group .desired)" 2
burn_start 1
burn_start 2
cpu_limit 4 10
burn_start 4
began=$SECONDS
group_until $((high * 10 + 30)) desired 3
ok $? "burn: it wants a third instance" "$(group .)$(aws metrics | jq -c '.[] | select(.name == "demand")')"
echo "# $((SECONDS - began)) s after the burn began ($high datapoints of 10 s)"
group_until 10 host_is 3 starting
app_lines=
for _ in 1 2 3; do
	sleep 1
	group_follow
done
is "which waits in its launch hook while it is not ready" \
	"$(group '.instances[].state' | sort | uniq -c | xargs)" "2 InService 1 Pending:Wait"
touch "$work/open"
group_until 30 in_service 3
ok $? "and completes it when it is" "$events"
wait_for 10 stat_is apps 3 UP status
ok $? "then it is in rotation" "$(stat_of apps 3 status)"
load out 90
is "it takes requests, more than one that is burnt" \
	"$sent $bad $(($(logged out 3) > $(logged out 1)))" "90 0 1"

burnt=$(says 4 /instance/load | jq -c '.windows["10"]')
ok "$(jq 'if .utilization < 0.3 then 0 else 1 end' <<<"$burnt")" \
	"a burstable instance out of credits burns as hard, and its utilization would never fire" "$burnt"
ok "$(jq 'if .demand > 0.85 then 0 else 1 end' <<<"$burnt")" "its demand would, as the others'" "$burnt"
echo "# $burnt"
part "scaled out"

# -- stop: scale in --

burn_stop
began=$SECONDS
group_until $((low * 10 + 40)) desired 2
ok $? "stop: it wants two again" "$(group .)"
echo "# $((SECONDS - began)) s after the burn ended ($low datapoints of 10 s)"
load_start in 100
leaving=$(group '.instances | to_entries[] | select(.value.target == "Terminated") | .key')
is "one is told to go" "$(group "[.instances[] | select(.target == \"Terminated\")] | length")" 1
gone() { [[ $events == *"terminate $leaving"* ]]; }
group_until 17 gone
ok $? "it completes its termination when it is drained" \
	"$events$(cat "$work/${leaving: -1}"/{drain.out,agent.err} 2>&1)"
is "after its app was stopped" "$(grep -c 'app web *stop: done' "$work/${leaving: -1}/drain.out")" 1
kill -0 "$loading"
ok $? "all that under load"
load_end in
all_served in "no request fails, and the logs have all of them"
is "the hooks ended by the instances themselves, none by its time" \
	"$(grep -Ec '^complete .*CONTINUE' <<<"$events") $(grep -c '^timeout' <<<"$events")" "4 0"

# Twice, where a call that was taken timed out on a busy machine (agent/publish.h): not in all sets.
[ "$(published 'any(.count >= 19 and .count <= 30) and all(.time % 10 == 0)')" = true ]
ok $? "what was published is every second's demand of each, in sets of ten seconds" \
	"$(published '[.[] | [.time, .count]]' | tr -d ' \n')"
is "at a resolution of a second" "$(published '[.[].resolution, .[].unit] | unique | .[]' | xargs)" \
	"1 Percent"

is "of all calls to AWS none was refused" \
	"$(jq -r 'select(.status != 200) | "\(.action) \(.error)"' "$work/aws.log" | sort | uniq -c)" ""
part "scaled in"
echo "# calls: $(jq -r .action "$work/aws.log" | sort | uniq -c | xargs)"
done_testing
