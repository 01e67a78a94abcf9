#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Calls to AWS against a service that checks them with botocore: that they are signed right, say
# what they mean, and come through rotated credentials, throttling and lost connections.
. "$(dirname "$0")/lib.sh"
$python -c 'import botocore' 2>/dev/null || skip_all "python3-botocore is not installed"
[ -x "$build/tests/system/aws-drive" ] || skip_all "aws-drive is not built"
in_namespaces "$@"
sim_start --role web --tag Name=x
aws_start
cp "$build/tests/system/aws-drive" "$work/bin"

role=$work/imds/meta-data/iam/security-credentials/web
coproc DRIVE { "$work/bin/aws-drive" "$imds" "$aws" 2>&1; }
call() { # LINE: sets said
	printf '%s\n' "$1" >&"${DRIVE[1]}"
	IFS= read -r -t 60 said <&"${DRIVE[0]}"
	printf '%s\n' "$said" >>"$work/said"
}
fault() { # JSON: these alone
	aws_control DELETE faults >/dev/null
	aws_control POST faults "$1" >/dev/null
}
rotate() { # KEY TOKEN EXPIRES: new credentials in metadata, and at AWS; the old ones are gone there
	jq --arg key "$1" --arg token "$2" --arg until "$(date -u -d "$3" +%Y-%m-%dT%H:%M:%SZ)" \
		'.AccessKeyId = $key | .Token = $token | .Expiration = $until |
		.SecretAccessKey = "secret-of-" + $key' "$role" >"$role.new"
	aws_control PUT credentials "$(cat "$role.new")" >/dev/null
	mv "$role.new" "$role"
}
log() { tail -n 1 "$work/aws.log" | jq -r "$1"; }

# -- signatures, and what is signed --

call "metrics 30 1"
is "a metric is taken" "$said" "ok {}"
is "its body is gzip" "$(log .gzip)" true
is "names and values come through every escape" \
	"$(log '.parameters.MetricData[0].Dimensions[0] | .Name + "|" + .Value')" \
	"Instance~Id *+|a b/c&d=e%2F+"
is "numbers too" "$(log '.parameters.MetricData[0].StatisticValues | [.[]] | sort | join(" ")')" \
	"1e-09 0.25 0.3333333333333333 10"
call "metrics 30 100"
is "a hundred at once" "$said" "ok {}"
is "arrive all" "$(log '.parameters.MetricData | length')" 100
ok "$(($(log .bytes) > 4096))" "in less than 4 KiB" "$(log .bytes)"
call "DescribeAutoScalingInstances 30 InstanceIds.member.1=i-0aa"
is "an answer is the result element" "$said" 'ok {"AutoScalingInstances":""}'

aws_control POST autoscaling/CreateAutoScalingGroup '{"AutoScalingGroupName": "web",
	"MinSize": 0, "MaxSize": 4, "LaunchTemplate": {"LaunchTemplateName": "web"}}' >/dev/null
aws_control POST launch '{"group": "web", "instance": "i-0aa"}' >/dev/null
call "DescribeAutoScalingInstances 30 InstanceIds.member.1=i-0aa"
is "lists in it are lists" \
	"$(jq -r '.AutoScalingInstances[0].AutoScalingGroupName' <<<"${said#ok }")" web
call "CompleteLifecycleAction 30 AutoScalingGroupName=web LifecycleHookName=x InstanceId=i-0aa \
LifecycleActionResult=CONTINUE"
is "an action that nobody waits for is gone" "$said" "gone ValidationError"
call "SetInstanceHealth 30 InstanceId=i-0aa HealthStatus=Sick"
like "what is refused is said in the service's words" "$said" "EINVAL ValidationError: SetInstanceHealth: 400"

# -- credentials --

rotate ASIAROTATED1 rotated-session-token-1 "+6 hours"
aws_control DELETE credentials/ASIAIOSFODNN7EXAMPLE >/dev/null
call "metrics 10 1"
is "credentials that AWS knows no more are renewed" "$said" "ok {}"
is "the new ones are used" "$(log .key)" ASIAROTATED1
before=$(grep -c security-credentials/web "$work/imds.log")
call "metrics 10 1"
is "and kept" "$(grep -c security-credentials/web "$work/imds.log")" "$before"

rotate ASIAROTATED2 rotated-session-token-2 "+10 minutes"
aws_control DELETE credentials/ASIAROTATED1 >/dev/null
call "metrics 10 1"
is "credentials that are stale already are used" "$said" "ok {}"
before=$(grep -c security-credentials/web "$work/imds.log")
call "metrics 10 1"
is "and newer ones not asked for with each call" \
	"$(grep -c security-credentials/web "$work/imds.log")" "$before"
aws_control DELETE credentials/ASIAROTATED2 >/dev/null
call "metrics 10 1"
like "without newer ones it is said whose they are" "$said" "EACCES InvalidClientTokenId"
rotate ASIAROTATED3 rotated-session-token-3 "+6 hours"

# -- trouble --

fault '{"fault": "throttle", "count": 3}'
call "metrics 30 1"
is "throttling is waited out" "$said" "ok {}"
fault '{"fault": "unavailable", "count": 2}'
call "metrics 30 1"
is "so is 503" "$said" "ok {}"
fault '{"fault": "reset", "count": 2}'
call "metrics 30 1"
is "so is a connection that is reset" "$said" "ok {}"
fault '{"fault": "throttle"}'
for seconds in 1.5 5 20; do # a busy machine may not even be throttled in the first
	call "metrics $seconds 1"
	[[ $said != *Throttling* ]] || break
done
like "but not for longer than there is time" "$said" \
	"EAGAIN : PutMetricData: 400 Throttling: Rate exceeded (tried"
fault '{"fault": "delay", "seconds": 1, "count": 1}'
call "metrics 0.3 1"
like "nor is silence" "$said" "ETIMEDOUT : PutMetricData"
fault '{"fault": "error", "status": 403, "code": "AccessDenied", "message": "not authorized"}'
call "metrics 30 1"
like "no permission is said at once" "$said" \
	"EACCES AccessDenied: PutMetricData: 403 AccessDenied: not authorized"
fault '{"fault": "error", "status": 403, "code": "SignatureDoesNotMatch",
	"message": "Signature expired: 20260101T000000Z is now earlier than 20260101T010000Z"}'
call "metrics 30 1"
like "a wrong clock is called that" "$said" "(this machine's clock is wrong)"

# -- an answer that is lost: it was done, and is asked for once more --

aws_control POST autoscaling/PutLifecycleHook '{"AutoScalingGroupName": "web",
	"LifecycleHookName": "launch", "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING"}' \
	>/dev/null
aws_control POST launch '{"group": "web", "instance": "i-0bb"}' >/dev/null
fault '{"fault": "lost", "action": "CompleteLifecycleAction", "count": 1}'
wait_for 5 sh -c "curl -s '$aws/_control/state' | grep -q Pending:Wait"
call "CompleteLifecycleAction 20 AutoScalingGroupName=web LifecycleHookName=launch \
InstanceId=i-0bb LifecycleActionResult=CONTINUE"
is "an action whose answer was lost is gone, not an error" "$said" "gone ValidationError"
wait_for 5 sh -c "curl -s '$aws/_control/state' | jq -e '.groups.web.instances[\"i-0bb\"].state == \"InService\"'"
ok $? "it was done"

exec {DRIVE[1]}>&-
wait "$DRIVE_PID"
is "no call leaves anything behind" $? 0
is "no secret was ever said" \
	"$(grep -c -e secret-of- -e wJalrXUtnFEMI -e session-token "$work/said")" 0
done_testing
