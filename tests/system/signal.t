#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# instancectl signal: whoever waits for a launch is told how it went, once, and it is said who.
. "$(dirname "$0")/lib.sh"
$python -c 'import botocore' 2>/dev/null || skip_all "python3-botocore is not installed"
in_namespaces "$@"
sim_start --role web --instance-id i-0aa --tag aws:cloudformation:stack-name=shop \
	--tag aws:cloudformation:logical-id=Servers
aws_start

place signal
cat >"$conf" <<END
[aws]
endpoint = $aws
[index]
path = $at/index.html
END

control() { aws_control POST "$1" "$2" >/dev/null; }
stack() { # NAME: a new one that waits for one signal
	control cloudformation/CreateStack "$(jq -n --arg name "$1" '{StackName: $name, TemplateBody:
		({Resources: {Servers: {CreationPolicy: {ResourceSignal: {Count: 1}}}}} | tojson)}')"
}
stack_status() { aws_control GET state | jq -r ".stacks[\"$1\"].status"; }
hook() { # NAME TRANSITION
	control autoscaling/PutLifecycleHook "{\"AutoScalingGroupName\": \"web\",
		\"LifecycleHookName\": \"$1\", \"HeartbeatTimeout\": 300,
		\"LifecycleTransition\": \"autoscaling:EC2_INSTANCE_$2\"}"
}
lifecycle() { aws_control GET state | jq -r ".groups.web.instances[\"$1\"].state"; }
lifecycle_is() { [ "$(lifecycle "$1")" = "$2" ]; }
become() { # INSTANCE [STACK]: another one, in no time
	local tags=$work/imds/meta-data/tags
	sed -i "s/\"i-0[0-9a-f]*\"/\"$1\"/" "$work/imds/dynamic/instance-identity/document"
	rm -rf "$tags"
	[ $# = 1 ] || {
		mkdir -p "$tags/instance"
		printf %s "$2" >"$tags/instance/aws:cloudformation:stack-name"
		printf %s Servers >"$tags/instance/aws:cloudformation:logical-id"
	}
}

# -- a stack --

stack shop
run signal SUCCESS
is "a stack that waits is told" "$status $out" \
	"0 + CloudFormation  stack shop, resource Servers: SUCCESS"
is "then it is complete" "$(stack_status shop)" CREATE_COMPLETE
run signal SUCCESS
is "one that waits no more is no error" "$status $out" \
	"0 = CloudFormation  stack shop, resource Servers: SUCCESS: it is not waited for any more"
stack other
run signal FAILURE --stack other --resource Servers
is "another stack may be named, and told of a failure" "$status $(stack_status other)" \
	"0 CREATE_FAILED"
run signal SUCCESS --stack nowhere
is "one that is not there is an error" "$status" 1
like "in its words" "$out" "✗ CloudFormation  stack nowhere, resource Servers: SUCCESS: \
SignalResource: 400 ValidationError: Stack nowhere does not exist"

# -- a group --

control autoscaling/CreateAutoScalingGroup '{"AutoScalingGroupName": "web", "MinSize": 0,
	"MaxSize": 9, "LaunchTemplate": {"LaunchTemplateName": "web"}}'
become i-0bb
control launch '{"group": "web", "instance": "i-0bb"}'
run signal SUCCESS
is "a group without hooks does not wait" "$status $out" \
	"0 = Auto Scaling    group web: i-0bb is InService, its launch is not waited for"
hook ready LAUNCHING
hook seen LAUNCHING
hook flush TERMINATING
become i-0cc
control launch '{"group": "web", "instance": "i-0cc"}'
wait_for 5 lifecycle_is i-0cc Pending:Wait
run signal SUCCESS
is "each hook of a launch is completed, and no other" "$status $(sort <<<"$out")" \
	"0 + Auto Scaling    group web, hook ready: CONTINUE
+ Auto Scaling    group web, hook seen: CONTINUE"
wait_for 5 lifecycle_is i-0cc InService
is "the instance is in service" "$(lifecycle i-0cc)" InService
become i-0da
control launch '{"group": "web", "instance": "i-0da"}'
wait_for 5 lifecycle_is i-0da Pending:Wait
printf '%s\n' '[lifecycle]' 'hooks = seen' >>"$conf"
run signal SUCCESS
is "with hooks = only those, another waits for somebody else" "$status $out $(lifecycle i-0da)" \
	"0 + Auto Scaling    group web, hook seen: CONTINUE Pending:Wait"
sed -i '/^hooks = /s/.*/hooks = other/' "$conf"
run signal SUCCESS
is "where none is ours nobody waits for us" "$status $out" "0 = Auto Scaling    group web: \
it has no hook for a launch that is completed from here"
sed -i '/^\[lifecycle]/,$d' "$conf"
become i-0dd
control launch '{"group": "web", "instance": "i-0dd"}'
wait_for 5 lifecycle_is i-0dd Pending:Wait
run signal FAILURE --json
is "a launch that failed is abandoned, which ends it for the other hook" "$(jq -r '"\(.instanceId) \(.result) \([.told[] |
	.service + " " + .hook + " " + .action + " " + .outcome] | sort | join(", "))"' <<<"$out")" \
	"i-0dd FAILURE autoscaling ready ABANDON told, autoscaling seen ABANDON not waiting"
is "with exit status 0" "$status" 0

aws_control PUT settings '{"ids": ["i-0f1"]}' >/dev/null
control autoscaling/PutWarmPool '{"AutoScalingGroupName": "web", "MinSize": 1}'
wait_for 5 lifecycle_is i-0f1 Warmed:Pending:Wait
become i-0f1
run signal SUCCESS
is "a launch into a warm pool is completed as well" "$status $(grep -c '^+.*CONTINUE$' <<<"$out")" "0 2"

# -- both, with trouble --

stack twice
become i-0ee twice
control launch '{"group": "web", "instance": "i-0ee"}'
wait_for 5 lifecycle_is i-0ee Pending:Wait
control faults '[{"fault": "throttle", "count": 2}, {"fault": "reset", "count": 1}]'
run signal SUCCESS
is "stack and group are told, through throttling and a reset" \
	"$status $(grep -c '^+' <<<"$out") $(stack_status twice)" "0 3 CREATE_COMPLETE"
control faults '{"action": "autoscaling:*", "fault": "error", "status": 403,
	"code": "AccessDenied", "message": "not authorized"}'
run signal SUCCESS --stack shop --resource Servers
is "a role that may not ask for the group is an error" "$status" 1
like "in words" "$out" "✗ Auto Scaling    i-0ee: DescribeAutoScalingInstances: 403 AccessDenied: \
not authorized (the role's policy must allow it)"
stack third
run signal SUCCESS --stack third --resource Servers
is "unless a stack was told, and nothing says that there is a group" "$status" 0
aws_control DELETE faults >/dev/null
control faults '{"fault": "error", "status": 403, "code": "SignatureDoesNotMatch",
	"message": "It does not match.\n\nThe Canonical String is\nx-amz-security-token:web-session-token"}'
run --verbose signal SUCCESS --stack shop --resource Servers
like "a signature that is wrong is said" "$out" "403 SignatureDoesNotMatch: It does not match."
unlike "but not what AWS recites of the request, which is secret" "$out$err" session-token
aws_control DELETE faults >/dev/null

# -- without being told the result --

stack fourth
become i-0ff fourth
run signal
is "before apply has run nobody is told" "$status $err" \
	"3 instancectl: the instance is starting: nobody is told yet"
run signal --wait=0.5
is "also when it waits, then" "$status $(stack_status fourth)" "3 CREATE_IN_PROGRESS"
run apply
run signal --wait=20
is "an instance that is ready is a success" "$status $(stack_status fourth)" "0 CREATE_COMPLETE"
stack fifth
mkdir "$at/conf.d"
cat >"$at/conf.d/app.conf" <<END
[app web]
source = file:$at/nothing
path = $at/web
END
run apply
run status
was=$status
run signal --stack fifth
is "one that failed is a failure" "$was $status $(stack_status fifth)" "1 0 CREATE_FAILED"
rm -r "$at/conf.d"

# -- nobody, and nothing to ask with --

become i-0a0
run signal SUCCESS
is "where nobody waits, that is said" "$status $err" "1 instancectl: nobody is known to wait for \
i-0a0: it is in no Auto Scaling group, and no stack is named by its tags in metadata or by --stack \
and --resource"
run signal DONE
is "another result is bad usage" "$status $err" \
	"2 instancectl: signal: SUCCESS or FAILURE is expected, not DONE"
rm -r "$work/imds/meta-data/iam"
run signal SUCCESS --stack fifth --resource Servers
like "an instance without a role says so" "$status $out" "1 ✗ CloudFormation  stack fifth, resource \
Servers: SUCCESS: SignalResource: the instance has no role"
done_testing
