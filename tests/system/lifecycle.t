#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What happens to instances of Auto Scaling groups, to Spot Instances and to others, as their agents
# take part in it: a fleet of them at a time, each with a metadata service of its own, before one
# simulated AWS that counts what was done to whom, and fails while it does.
. "$(dirname "$0")/lib.sh"
in_namespaces "$@"
$python -c 'import botocore' 2>/dev/null || skip_all "python3-botocore is not installed"

# -- AWS --

"$top/tests/aws-sim/aws-sim" --ports-file "$work/aws.url" --log "$work/aws.log" \
	--imds "$work/trees" >/dev/null 2>"$work/aws.err" &
wait_for 10 test -s "$work/aws.url"
aws=$(<"$work/aws.url")

control() { # METHOD PATH [JSON]
	curl -s --max-time 5 -X "$1" ${3:+-d "$3"} "$aws/_control/$2"
}
autoscaling() { control POST "autoscaling/$1" "$2" >/dev/null; }
group() { # NAME [HOOK TRANSITION TIMEOUT]...
	local name=$1
	autoscaling CreateAutoScalingGroup '{"AutoScalingGroupName": "'"$name"'", "MinSize": 0,
		"MaxSize": 9, "LaunchTemplate": {"LaunchTemplateName": "web"}}'
	for (( ; $# > 3; )); do
		autoscaling PutLifecycleHook '{"AutoScalingGroupName": "'"$name"'",
			"LifecycleHookName": "'"$2"'", "HeartbeatTimeout": '"$4"',
			"LifecycleTransition": "autoscaling:EC2_INSTANCE_'"$3"'"}'
		shift 3
	done
}
launch() { # GROUP: an instance that is in use
	control POST launch '{"group": "'"$1"'", "instance": "'"$id"'"}' >/dev/null
}
terminate() {
	autoscaling TerminateInstanceInAutoScalingGroup '{"InstanceId": "'"$id"'",
		"ShouldDecrementDesiredCapacity": true}'
}
enter_standby() {
	autoscaling EnterStandby '{"AutoScalingGroupName": "plain", "InstanceIds": ["'"$id"'"],
		"ShouldDecrementDesiredCapacity": true}'
}
exit_standby() {
	autoscaling ExitStandby '{"AutoScalingGroupName": "plain", "InstanceIds": ["'"$id"'"]}'
}
events() { # EVENT: what of that kind happened to the instance, a line each
	control GET events | jq -r --arg id "$id" --arg event "$1" '.[] |
		select(.instance == $id and .event == $event) | [.hook, .result, .state, .health] |
		map(select(. != null)) | join(" ")'
}
happened() { # EVENT LINE: at least once
	events "$1" | grep -qxF "$2"
}
# What the agent asked for, a line each that was answered; and those that went wrong.
calls() { # [ACTION]
	jq -r --arg id "$id" --arg action "${1-}" 'select((.parameters | tostring |
		contains($id)) and ($action == "" or .action == $action) and .status == 200) |
		.action' "$work/aws.log"
}
called() { [ "$(calls "$1" | wc -l)" -ge "$2" ]; }

# -- the fleet --

# use NAME: it is what all functions are about
declare -A ids=() ports=() agents=()
trees=()
use() {
	name=$1 id=${ids[$1]} at=$work/$1
	conf=$at/instanced.conf state=$at/state data=$at/lib run=$at/run
	url=http://127.0.0.1:${ports[$1]} tree=$work/trees/$id
	imds=$(cat "$at/imds.url" 2>/dev/null)
}
# start [and wait]: the agent of the one in use
start() {
	STATE_DIRECTORY=$at/lasting setpriv --reuid=$NOBODY --regid=$NOBODY --clear-groups "$work/bin/instanced" \
		--config "$conf" --state "$state" --imds "$imds" --run "$run" 2>>"$work/agent.err" &
	agents[$name]=$!
}
restart() {
	agent=${agents[$name]} && agent_stop
	start
	wait_for 5 curl -fs "$url/instance/live"
}

# member NAME ID LIFE-CYCLE [LINE-OF-LIFECYCLE]...: an instance, its metadata and its directory
member() {
	free_port
	ids[$1]=$2 ports[$1]=$port
	use "$1"
	mkdir -p "$state" "$run" "$at/lasting" "$data" "$tree"
	chown $NOBODY:$NOBODY "$run" "$at/lasting"
	"$work/bin/imds-sim" --ports-file "$at/imds.url" --log "$at/imds.log" "$tree" >/dev/null &
	{
		"$top/tests/imds-sim/tree-make" "$tree" --instance-id "$id" --role web
		put instance-life-cycle "$3"
		rm "$tree/meta-data/autoscaling/target-lifecycle-state"
	} &
	trees+=($!)
	printf '%s\n' "[agent]" "listen = 127.0.0.1:$port" "[aws]" "endpoint = $aws" \
		"[lifecycle]" "drain = 1s" "quiet = 0s" "${@:4}" >"$conf"
}
put() { # PATH TEXT: of metadata; an event
	mkdir -p "$(dirname "$tree/meta-data/$1")"
	printf %s "$2" >"$tree/.put"
	mv "$tree/.put" "$tree/meta-data/$1"
}

# What instancectl apply would have written. found PHASE STATUS: of the app, which is required
found() {
	jq -n --arg id "$id" --arg phase "$1" --arg status "$2" \
		--arg cycle "$(cat "$tree/meta-data/instance-life-cycle")" \
		--argjson tags "${tags:-{\}}" '{version: 1, phase: $phase, updated: 1767225600,
			identity: {instanceId: $id, instanceLifeCycle: $cycle, tags: $tags},
			items: [{kind: "app", name: "web", required: true, status: $status}]}' \
		>"$state/.new"
	mv "$state/.new" "$state/state.json"
}
status_is() { [ "$(get /instance | jq -r .status)" = "$1" ]; }
requested() { [ -e "$run/drain-requested" ]; }
drain_requested() { # as instance-drain.service does, without units
	run --run "$run" drain --requested
}
run() { # lib.sh's, but `run` is a place here
	out=$(ctl "$@" 2>"$work/stderr")
	status=$?
}
said() { grep -c "$1" "$work/agent.err"; }

now=$(date -u '+%d %b %Y %H:%M:%S GMT' -d '+30 seconds')
interruption='{"action": "terminate", "time": "2038-01-01T00:00:00Z"}'
recommendation='{"noticeTime": "2026-01-01T00:00:00Z"}'

# The IDs are some whose moment to ask comes within the first quarter of a second.
group slow launch LAUNCHING 30 end TERMINATING 300
group hooked launch LAUNCHING 300 end TERMINATING 300
group warm launch LAUNCHING 300
group plain
for stack in good bad; do
	control POST cloudformation/CreateStack "$(jq -n --arg name $stack '{StackName: $name,
		TemplateBody: ({Resources: {Web: {Type: "AWS::AutoScaling::AutoScalingGroup",
			CreationPolicy: {ResourceSignal: {Count: 2}}}}} | tostring)}')" >/dev/null
done
arn=$(control POST elasticloadbalancing/CreateTargetGroup '{"Name": "web", "Protocol": "HTTP",
	"Port": 80, "VpcId": "vpc-1"}' | jq -r '.TargetGroups[0].TargetGroupArn')

member slow i-00000000000000001 on-demand "signal = yes"
member broken i-00000000000000002 on-demand "signal = yes"
member kept i-00000000000000006 on-demand "abandon = no"
member late i-00000000000000007 on-demand
member again i-00000000000000178 on-demand
member aside i-00000000000000179 on-demand
member warm i-000000000000001fc on-demand
member ill i-000000000000001fe on-demand "replace = yes" "replace_after = 4s"
member spot i-000000000000001ff spot
member rebalanced i-00000000000000200 spot "rebalance = yes"
member repaired i-00000000000000201 on-demand
member alone i-00000000000000203 on-demand "target_groups = $arn"
member refused i-0000000000000024a on-demand "complete = no"
wait "${trees[@]}"

# Whoever has to be launched is launched before its agent begins, as on EC2.
tagged() { tags='{"aws:cloudformation:stack-name": "'"$1"'",
	"aws:cloudformation:logical-id": "Web"}' found "${@:2}"; }
use slow && tagged good working pending && launch slow && start
use late && found working pending && launch hooked && start
use warm && found working pending && control PUT settings '{"ids": ["'"$id"'"]}' >/dev/null &&
	autoscaling PutWarmPool '{"AutoScalingGroupName": "warm", "MinSize": 1,
		"PoolState": "Running"}' && wait_for 5 test -s \
	"$tree/meta-data/autoscaling/target-lifecycle-state" && start
use broken && tagged bad settled failed && launch hooked && start
use kept && found settled failed && launch hooked && start
use refused && found settled ok && launch hooked && start
use ill && found settled failed && launch plain && start
use again && found settled ok && launch hooked && start
use aside && found settled ok && launch plain && start
use spot && put events/recommendations/rebalance "$recommendation" &&
	found settled ok && launch plain && start
use rebalanced && put events/recommendations/rebalance "$recommendation" &&
	rmdir "$run" && found settled ok && start
use repaired && put events/maintenance/scheduled \
	"[{\"NotBefore\": \"$now\", \"Code\": \"system-reboot\", \"EventId\": \"instance-event-1\"}]" &&
	found settled ok && start
use alone && found settled ok && start
control POST elasticloadbalancing/RegisterTargets '{"TargetGroupArn": "'"$arn"'",
	"Targets": [{"Id": "'"$id"'"}]}' >/dev/null

# -- launch --

use again
wait_for 7 happened complete "launch CONTINUE"
is "launch: CONTINUE when the instance is ready" "$(events complete)" "launch CONTINUE"
is "after which it is in service" "$(events state | tail -n 1)" InService
is "after the state was asked for" "$(calls | xargs)" \
	"DescribeAutoScalingInstances CompleteLifecycleAction"
is "and it serves" "$(code /instance)" 200

use slow
wait_for 7 happened heartbeat launch
is "while another is starting there are heartbeats, the first at once" \
	"$(events heartbeat | head -n 1)" \
	launch
is "and no CONTINUE" "$(events complete) $(code /instance)" " 503"

use broken
wait_for 9 happened complete "launch ABANDON"
is "a launch that failed: ABANDON" "$(events complete)" "launch ABANDON"
is "after no heartbeat at all" "$(events heartbeat)" ""
use kept
is "or nothing, with abandon = no" "$(calls | grep -vc Describe)" 0
use refused
is "complete = no: nobody is even asked" "$(calls)" ""

# Somebody else completes it, behind the agent's back.
use late
wait_for 7 called RecordLifecycleActionHeartbeat 1
autoscaling CompleteLifecycleAction '{"AutoScalingGroupName": "hooked",
	"LifecycleHookName": "launch", "InstanceId": "'"$id"'",
	"LifecycleActionResult": "CONTINUE"}'
found settled ok
wait_for 7 eval '[ "$(said "lifecycle hook launch: CONTINUE: there was nothing")" = 1 ]'
is "an action that is gone counts as done" \
	"$(said "lifecycle hook launch: CONTINUE: there was nothing")" 1

# -- notices --

use repaired
wait_for 7 status_is draining
is "maintenance that is about to begin: draining" \
	"$(code /instance) $(check_reason rotation)" \
	"503 warn: scheduled maintenance: system-reboot not before $now"
ok "$(requested; echo $?)" "and root is asked"
use rebalanced
wait_for 7 status_is draining
is "a rebalance recommendation, where it is wanted: draining" \
	"$(code /instance) $(check_reason rotation)" \
	"503 warn: rebalance recommendation of 2026-01-01T00:00:00Z"
is "without a directory of its own the agent cannot ask root, and says so once" \
	"$(said "$run: No such file or directory: root cannot be asked for a drain")" 1
use spot
is "where it is not: nothing" "$(code /instance) $(check_reason rotation)" "200 "
put spot/instance-action "$interruption"
use aside
enter_standby
use alone
run --run "$run" drain
is "an instance is drained by a person" "$(code /instance) $(check_reason rotation)" \
	"503 warn: drained: a person asked for it"
wait_for 7 called DeregisterTargets 1
is "and deregistered" "$(calls)" DeregisterTargets
restart # it knows what it did
is "after a restart it is drained still" "$(code /instance)" 503
use spot
wait_for 7 status_is draining
is "a Spot interruption: draining" "$(code /instance) $(check_reason rotation)" \
	"503 warn: Spot interruption: terminate at 2038-01-01T00:00:00Z"
drain_requested
wait_for 7 eval '! requested'
is "root confirms it and drains" "$(jq -r .phase,.key "$state/drain.json" | xargs)" \
	"drained spot terminate 2038-01-01T00:00:00Z"
is "which all costs the group one question" "$(calls)" DescribeAutoScalingInstances
run undrain
wait_for 7 status_is ready
is "a person takes it back: in rotation, though the notice stays" "$(code /instance)" 200

use aside
wait_for 7 status_is draining
is "standby: out of rotation" "$(code /instance) $(check_reason rotation)" \
	"503 warn: the target lifecycle state is Standby"
ok "$(! requested; echo $?)" "and root is not asked"
echo 'meta-data/auto* 500' >"$tree/.faults"
exit_standby

use alone
run undrain
wait_for 7 called RegisterTargets 1
is "undrained, it is registered again, and was deregistered once, a restart in between" \
	"$(calls | xargs) $(code /instance)" "DeregisterTargets RegisterTargets 200"
run --run "$run" drain
wait_for 7 called DeregisterTargets 2
agent=${agents[$name]} && agent_stop
wait_for 7 grep -q arn: "$at/lasting/lifecycle.json"
rm -r "$state/drain.json" "$run"/* # as a reboot does
start
wait_for 7 called RegisterTargets 2
is "so it is by the boot after a drain" "$(calls RegisterTargets | wc -l) $(code /instance)" "2 200"

# -- a warm pool --

use warm
is "an instance on its way into a warm pool is out of rotation" "$(check_reason rotation)" \
	"warn: the target lifecycle state is Warmed:Running"
found settled ok
wait_for 7 happened complete "launch CONTINUE"
is "its launch is completed when it would be ready but for that" \
	"$(events complete) $(code /instance)" "launch CONTINUE 503"
is "so it is in the pool" "$(events state | tail -n 1)" Warmed:Running
autoscaling SetDesiredCapacity '{"AutoScalingGroupName": "warm", "DesiredCapacity": 1}'

# -- replaced --

use ill
wait_for 9 happened health Unhealthy
is "an instance that stays failed is said to be unhealthy, once" \
	"$(calls SetInstanceHealth) $(events health)" "SetInstanceHealth Unhealthy"

# -- while the metadata service fails, and AWS, too --

use aside
wait_for 12 eval '[ "$(grep -c "target-lifecycle-state.* 500" "$at/imds.log")" -ge 4 ]'
is "a metadata service that fails for some polls changes nothing" \
	"$(code /instance) $(check_reason rotation)" \
	"503 warn: the target lifecycle state is Standby"
kill -HUP "${agents[aside]}"
is "nor does a reload meanwhile, at any moment" \
	"$(for _ in {1..50}; do code /instance && echo; sleep 0.02; done | sort -u) \
$(said "reading the configuration again")" "503 1"
rm "$tree/.faults"
wait_for 7 status_is ready
is "and when it answers again, the instance is back" "$(code /instance)" 200

use warm
wait_for 7 eval '[ "$(events complete | wc -l)" = 2 ]'
is "out of the warm pool the launch is completed again" "$(events complete | xargs)" \
	"launch CONTINUE launch CONTINUE"
wait_for 7 status_is ready
is "and it serves" "$(events state | tail -n 1) $(code /instance)" "InService 200"

use slow
wait_for 20 eval '[ "$(events heartbeat | wc -l)" -ge 2 ]'
is "the second heartbeat comes at half of the hook's timeout" \
	"$(control GET events | jq --arg id "$id" '[.[] | select(.instance == $id and
		.event == "heartbeat") | .time] | .[1] - .[0] | . > 14 and . < 25')" true
control POST faults '[
	{"action": "CompleteLifecycleAction", "fault": "throttle", "count": 1},
	{"action": "CompleteLifecycleAction", "fault": "unavailable", "count": 1},
	{"action": "CompleteLifecycleAction", "fault": "lost", "count": 1},
	{"action": "SignalResource", "fault": "lost", "count": 1}]' >/dev/null
found settled ok
wait_for 15 happened complete "launch CONTINUE"
is "throttled, unavailable, an answer lost: it is completed, once" "$(events complete)" \
	"launch CONTINUE"
wait_for 10 eval '[ "$(said "stack good, resource Web: SUCCESS")" = 1 ]'
is "so is the signal to its stack: SUCCESS, and of the broken one FAILURE" \
	"$(control GET state | jq -c '.stacks | map(.resources.Web.signals)')" \
	'[{"'"$id"'":"SUCCESS"},{"'"${ids[broken]}"'":"FAILURE"}]'
control DELETE faults >/dev/null

# -- terminate --

use again
terminate
use broken
wait_for 7 status_is draining
is "who was abandoned is terminated, and drains" "$(code /instance) $(check_reason rotation)" \
	"503 warn: the target lifecycle state is Terminated"
use again
wait_for 7 status_is draining
is "a target state of Terminated: /instance says 503" \
	"$(code /instance) $(check_reason rotation)" \
	"503 warn: the target lifecycle state is Terminated"
ok "$(requested; echo $?)" "root is asked"
wait_for 7 called DescribeAutoScalingInstances 2
restart # in the middle
wait_for 7 status_is draining
wait_for 7 called RecordLifecycleActionHeartbeat 1
is "nothing is completed before it is drained" "$(events complete)" "launch CONTINUE"
control POST faults '[{"action": "CompleteLifecycleAction", "fault": "lost", "count": 1}]' \
	>/dev/null
drain_requested
wait_for 15 happened complete "end CONTINUE"
is "then: CONTINUE, once, though the agent was started again and the answer lost" \
	"$(events complete | xargs)" "launch CONTINUE end CONTINUE"
is "after which the instance is gone" "$(events state | tail -n 1)" Terminated
is "by who asked for the state first, before and after it was started again" \
	"$(calls | xargs)" "DescribeAutoScalingInstances CompleteLifecycleAction \
DescribeAutoScalingInstances DescribeAutoScalingInstances RecordLifecycleActionHeartbeat"

# -- in the end --

use late
is "all the time, an instance in service asks nothing" "$(calls | xargs)" \
	"DescribeAutoScalingInstances RecordLifecycleActionHeartbeat"
use kept
is "and one that was not abandoned has no heartbeat" "$(events heartbeat)$(events complete)" ""
use repaired
is "one of no group calls nobody" "$(calls)" ""
for name in "${!ids[@]}"; do
	use "$name"
	agent=${agents[$name]} && agent_stop
	[ $status = 0 ] || echo "# $name ended with $status"
done
use late
awk -v name=late 'END { print "# questions to the metadata service of one instance: " NR }' \
	"$at/imds.log"
is "what was not allowed or understood: nothing" \
	"$(jq -r 'select(.error != null and .fault == null) | .action + " " + .message' \
		"$work/aws.log" | grep -v -e "No active Lifecycle Action" \
		-e "already exists" | sort | uniq -c)" ""
grep -iE 'sanitizer|error:' "$work/agent.err" | sed 's/^/# /'
done_testing
