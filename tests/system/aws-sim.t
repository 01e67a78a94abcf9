#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
aws-sim is AWS as far as clients can tell that nobody here wrote: the AWS CLI and botocore do what
an agent does, and get what the API references say. What it refuses: aws-refusals.t.
"""
import json
import os
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "aws-sim"))

import harness  # noqa: E402
from harness import aws, client, control, do, error, instances, logged, wait_until  # noqa: E402
from tap import equal, ok  # noqa: E402

GROUP, ONE = "web", "i-0123456789abcdef0"
UP, DOWN = "autoscaling:EC2_INSTANCE_LAUNCHING", "autoscaling:EC2_INSTANCE_TERMINATING"
SPEED = 20


def lifecycle(instance_id=ONE):
    there = instances(GROUP)
    return there[instance_id]["state"] if instance_id in there else None


def target_state():
    with open(harness.file("imds/%s/meta-data/autoscaling/target-lifecycle-state" % ONE)) as file:
        return file.read()


# -- what is asked for rightly --


def group_and_instance():
    do("autoscaling", "CreateAutoScalingGroup", AutoScalingGroupName=GROUP, MinSize=0, MaxSize=4,
       HealthCheckGracePeriod=7200, LaunchTemplate={"LaunchTemplateName": "web"})
    do("autoscaling", "PutLifecycleHook", AutoScalingGroupName=GROUP, LifecycleHookName="ready",
       LifecycleTransition=UP, HeartbeatTimeout=1200)
    do("autoscaling", "PutLifecycleHook", AutoScalingGroupName=GROUP, LifecycleHookName="drain",
       LifecycleTransition=DOWN, HeartbeatTimeout=1200, DefaultResult="CONTINUE")
    subprocess.run([harness.TREE_MAKE, harness.file("imds/" + ONE), "--instance-id", ONE],
                   check=True)
    os.remove(harness.file("imds/%s/meta-data/autoscaling/target-lifecycle-state" % ONE))
    equal("an instance is launched under the ID that is asked for",
          control("POST", "launch", {"group": GROUP, "instance": ONE}), {"instance": ONE})


def cli_autoscaling():
    action = ("--auto-scaling-group-name", GROUP, "--lifecycle-hook-name", "ready",
              "--instance-id", ONE)
    complete = ("autoscaling", "complete-lifecycle-action", *action,
                "--lifecycle-action-result", "CONTINUE")
    described = aws("autoscaling", "describe-auto-scaling-instances", "--instance-ids", ONE)
    equal("AWS CLI: the instance waits for its launch hook",
          [(each["AutoScalingGroupName"], each["LifecycleState"])
           for each in described["AutoScalingInstances"]], [(GROUP, "Pending:Wait")])
    hooks = aws("autoscaling", "describe-lifecycle-hooks", "--auto-scaling-group-name", GROUP)
    equal("AWS CLI: hooks are described, with their global timeout (100 heartbeats)",
          [(hook["LifecycleHookName"], hook["LifecycleTransition"], hook["HeartbeatTimeout"],
            hook["GlobalTimeout"], hook["DefaultResult"]) for hook in hooks["LifecycleHooks"]],
          [("ready", UP, 1200, 120000, "ABANDON"), ("drain", DOWN, 1200, 120000, "CONTINUE")])

    def left():
        return instances(GROUP)[ONE]["actions"]["ready"]["seconds"]
    before = left()
    equal("AWS CLI: a heartbeat is taken", aws("autoscaling", "record-lifecycle-action-heartbeat",
                                               *action), None)
    ok("a heartbeat begins the hook's time anew", left() > before, (before, left()))
    equal("AWS CLI: a launch is completed", aws(*complete), None)
    equal("then the instance is in service", lifecycle(), "InService")
    equal("AWS CLI: what is completed already is a ValidationError", aws(*complete),
          "ValidationError")
    equal("metadata: the target state of a launch is InService", target_state(), "InService")


def cli_monitoring():
    now = int(time.time()) - 120
    datum = {"MetricName": "demand", "Unit": "Percent", "StorageResolution": 1, "Timestamp": now,
             "Dimensions": [{"Name": "AutoScalingGroupName", "Value": GROUP}],
             "StatisticValues": {"SampleCount": 10, "Sum": 615.5, "Minimum": 12.25,
                                 "Maximum": 100}}
    equal("AWS CLI: a statistic set is taken",
          aws("cloudwatch", "put-metric-data", "--namespace", "instanced", "--metric-data",
              json.dumps([datum, dict(datum, Timestamp=now + 10)])), None)
    series = ("cloudwatch", "get-metric-statistics", "--namespace", "instanced", "--metric-name",
              "demand", "--start-time", str(now - 300), "--end-time", str(now + 60),
              "--statistics", "Average", "Maximum", "SampleCount", "--dimensions")
    answer = aws(*series, "Name=AutoScalingGroupName,Value=" + GROUP, "--period", "300")
    equal("AWS CLI: two sets within a period are one datapoint",
          [(each["SampleCount"], each["Average"], each["Maximum"], each["Unit"])
           for each in answer["Datapoints"]] or answer, [(20, 61.55, 100, "Percent")])
    answer = aws(*series, "Name=InstanceId,Value=" + ONE, "--period", "300")
    equal("other dimensions are another metric", answer["Datapoints"], [])
    equal("ListMetrics names it", [each["MetricName"] for each in client("cloudwatch").list_metrics(
        Namespace="instanced")["Metrics"]], ["demand"])


def cli_targets():
    made = do("elasticloadbalancing", "CreateTargetGroup", Name="web", Protocol="HTTP", Port=80,
              VpcId="vpc-1", HealthCheckIntervalSeconds=60)
    arn = made["TargetGroups"][0]["TargetGroupArn"]
    elb = client("elbv2")

    def delay(seconds):
        do("elasticloadbalancing", "ModifyTargetGroupAttributes", TargetGroupArn=arn, Attributes=[
            {"Key": "deregistration_delay.timeout_seconds", "Value": seconds}])
    delay("3600")

    def health():
        described = elb.describe_target_health(TargetGroupArn=arn, Targets=[{"Id": ONE}])
        return described["TargetHealthDescriptions"][0]["TargetHealth"]["State"]
    equal("a target that nobody registered is unused", health(), "unused")
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": ONE, "Port": 80}])
    equal("one that was registered is initial", health(), "initial")
    ok("and healthy after a check", wait_until(lambda: health() == "healthy"))
    control("PUT", "targets", {"group": "web", "id": ONE, "healthy": False})
    equal("or unhealthy, if that is what checks find", health(), "unhealthy")
    equal("AWS CLI: deregister-targets", aws("elbv2", "deregister-targets", "--target-group-arn",
                                             arn, "--targets", "Id=" + ONE), None)
    described = aws("elbv2", "describe-target-health", "--target-group-arn", arn)
    equal("AWS CLI: the target is draining",
          [(each["Target"]["Id"], each["TargetHealth"]["State"], each["TargetHealth"]["Reason"])
           for each in described["TargetHealthDescriptions"]],
          [(ONE, "draining", "Target.DeregistrationInProgress")])
    delay("1")
    ok("and unused after deregistration_delay", wait_until(lambda: health() == "unused"))
    try:
        elb.describe_target_health(TargetGroupArn=arn + "0")
        ok("botocore knows TargetGroupNotFound for what it is", False)
    except elb.exceptions.TargetGroupNotFoundException:
        ok("botocore knows TargetGroupNotFound for what it is", True)


def cli_stacks():
    template = {"Resources": {"Web": {
        "Type": "AWS::AutoScaling::AutoScalingGroup",
        "CreationPolicy": {"ResourceSignal": {"Count": 2, "Timeout": "PT1H"}}}}}
    for name in ("good", "bad"):
        do("cloudformation", "CreateStack", StackName=name, TemplateBody=json.dumps(template))
    do("cloudformation", "CreateStack", StackName="late", TemplateBody=json.dumps(template).replace(
        "PT1H", "PT1S"))

    def signal(stack, unique, status):
        return ("cloudformation", "signal-resource", "--stack-name", stack,
                "--logical-resource-id", "Web", "--unique-id", unique, "--status", status)

    def status(stack):
        return control("GET", "state")["stacks"][stack]["status"]
    equal("AWS CLI: signal-resource", aws(*signal("good", ONE, "SUCCESS")), None)
    equal("one signal of two is not enough", status("good"), "CREATE_IN_PROGRESS")
    equal("AWS CLI: the same again is a ValidationError", aws(*signal("good", ONE, "SUCCESS")),
          "ValidationError")
    stacks = client("cloudformation")
    call = {"LogicalResourceId": "Web", "UniqueId": "i-2", "Status": "SUCCESS"}
    stacks.signal_resource(StackName="good", **call)
    equal("two of different instances are", status("good"), "CREATE_COMPLETE")
    stacks.signal_resource(StackName="bad", **dict(call, Status="FAILURE"))
    equal("one FAILURE fails the stack", status("bad"), "CREATE_FAILED")
    ok("and so does the policy's time", wait_until(lambda: status("late") == "CREATE_FAILED"))
    equal("a stack that is complete takes no signal",
          error(stacks.signal_resource, StackName="good", **dict(call, UniqueId="i-3")),
          "ValidationError")
    equal("nor one that is not there", error(stacks.signal_resource, StackName="none", **call),
          "ValidationError")


def terminations():
    scaling = client("autoscaling")
    drain = {"AutoScalingGroupName": GROUP, "LifecycleHookName": "drain", "InstanceId": ONE}
    scaling.set_instance_health(InstanceId=ONE, HealthStatus="Unhealthy")
    time.sleep(0.1)
    equal("an unhealthy instance is kept within its grace period", lifecycle(), "InService")
    equal("the wrong hook's action is not there", error(
        scaling.complete_lifecycle_action, LifecycleActionResult="CONTINUE", **drain),
          "ValidationError")
    scaling.set_instance_health(InstanceId=ONE, HealthStatus="Unhealthy",
                                ShouldRespectGracePeriod=False)
    ok("without respect to that it is terminated, and waits for the hook",
       wait_until(lambda: lifecycle() == "Terminating:Wait"), lifecycle())
    equal("metadata: the target state is Terminated", target_state(), "Terminated")
    ok("another one is launched in its place", wait_until(
        lambda: len(instances(GROUP)) == 2))
    equal("a result other than CONTINUE and ABANDON is refused", error(
        scaling.complete_lifecycle_action, LifecycleActionResult="DONE", **drain),
          "ValidationError")
    scaling.complete_lifecycle_action(LifecycleActionResult="CONTINUE", **drain)
    equal("completed, it is gone", lifecycle(), None)
    equal("and DescribeAutoScalingInstances knows it no more",
          scaling.describe_auto_scaling_instances(InstanceIds=[ONE])["AutoScalingInstances"], [])
    equal("its states were those of the User Guide",
          [each["state"] for each in control("GET", "events?after=0")
           if each["event"] == "state" and each["instance"] == ONE],
          ["Pending", "Pending:Wait", "Pending:Proceed", "InService", "Terminating",
           "Terminating:Wait", "Terminating:Proceed", "Terminated"])


# -- what goes wrong on purpose --


def faults():
    patient, hasty = client("autoscaling", attempts=3), client("autoscaling")
    before = len(logged())

    def since():
        return [(each["status"], each["error"], each["fault"]) for each in logged()[before:]]
    control("POST", "faults", {"action": "DescribeAuto*", "fault": "throttle", "count": 2})
    ok("botocore retries a Throttling by itself", error(
        patient.describe_auto_scaling_instances) is None)
    equal("and the log tells both of it", since(),
          [(400, "Throttling", "throttle")] * 2 + [(200, None, None)])
    before = len(logged())
    control("POST", "faults", [
        {"action": "autoscaling:DescribeAutoScalingInstances", "fault": "unavailable", "count": 1},
        {"fault": "reset", "count": 1}])
    ok("and a 503 and a reset", error(patient.describe_auto_scaling_instances) is None)
    equal("which had these ends", since(), [(503, "ServiceUnavailable", "unavailable"),
                                            (None, None, "reset"), (200, None, None)])
    control("POST", "faults", {"fault": "throttle", "rate": 0.1, "burst": 4})
    codes = [error(hasty.describe_auto_scaling_instances) for _ in range(8)]
    equal("a rate lets its burst pass, and no more", (codes[:4], codes[-1]),
          ([None] * 4, "Throttling"))
    control("DELETE", "faults")
    control("POST", "faults", {"fault": "delay", "seconds": 0.3, "count": 1})
    begin = time.monotonic()
    hasty.describe_auto_scaling_instances()
    ok("an answer may take its time", time.monotonic() - begin >= 0.3)
    instance_id = control("POST", "launch", {"group": GROUP})["instance"]
    control("POST", "faults", {"action": "CompleteLifecycleAction", "fault": "lost", "count": 1})
    equal("an answer that is lost: asked again, nothing is left to complete", error(
        patient.complete_lifecycle_action, AutoScalingGroupName=GROUP, LifecycleHookName="ready",
        InstanceId=instance_id, LifecycleActionResult="CONTINUE"), "ValidationError")
    equal("for it was done", lifecycle(instance_id), "InService")


# -- a group on its own --


def group_moves():
    scaling = client("autoscaling")
    name = {"AutoScalingGroupName": "own"}
    do("autoscaling", "CreateAutoScalingGroup", MinSize=1, MaxSize=10, DesiredCapacity=2,
       LaunchTemplate={"LaunchTemplateName": "web"}, **name)

    def states():
        return sorted(each["state"] for each in instances("own").values())

    def passed():
        return [each["state"] for each in control("GET", "events?after=%d" % number)
                if each["event"] == "state"]
    ok("a group launches what it desires", wait_until(lambda: states() == ["InService"] * 2))
    one = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["own"])[
        "AutoScalingGroups"][0]["Instances"][0]["InstanceId"]
    scaling.enter_standby(InstanceIds=[one], ShouldDecrementDesiredCapacity=True, **name)
    ok("standby is a state, and no capacity", wait_until(
        lambda: states() == ["InService", "Standby"]), states())
    scaling.exit_standby(InstanceIds=[one], **name)
    ok("and can be left", wait_until(lambda: states() == ["InService"] * 2), states())
    equal("a capacity above the maximum is refused", error(
        scaling.set_desired_capacity, DesiredCapacity=11, **name), "ValidationError")
    scaling.put_lifecycle_hook(LifecycleHookName="up", LifecycleTransition=UP, HeartbeatTimeout=30,
                               DefaultResult="CONTINUE", **name)
    number = control("GET", "events")[-1]["number"]
    scaling.set_desired_capacity(DesiredCapacity=3, **name)
    ok("a hook whose time is over has its default result", wait_until(
        lambda: "Pending:Wait" in passed()) and wait_until(lambda: states() == ["InService"] * 3))
    scaling.put_lifecycle_hook(LifecycleHookName="up", HeartbeatTimeout=7200, **name)
    control("PUT", "settings", {"ids": ["i-a", "i-b"]})
    scaling.set_desired_capacity(DesiredCapacity=4, **name)
    wait_until(lambda: "i-a" in instances("own"))
    scaling.complete_lifecycle_action(LifecycleHookName="up", InstanceId="i-a",
                                      LifecycleActionResult="ABANDON", **name)
    ok("an abandoned launch is terminated, and replaced", wait_until(
        lambda: "i-b" in instances("own") and "i-a" not in instances("own")))
    do("autoscaling", "DeleteLifecycleHook", LifecycleHookName="up", **name)
    scaling.put_warm_pool(PoolState="Stopped", MinSize=1, MaxGroupPreparedCapacity=0, **name)
    ok("a warm pool fills", wait_until(lambda: "Warmed:Stopped" in states()), states())
    number = control("GET", "events")[-1]["number"]
    scaling.set_desired_capacity(DesiredCapacity=5, **name)
    ok("and is where the next instance comes from", wait_until(lambda: "start" in [
        each["event"] for each in control("GET", "events?after=%d" % number)]))


def group_and_targets():
    scaling, elb = client("autoscaling"), client("elbv2")
    made = do("elasticloadbalancing", "CreateTargetGroup", Name="behind", Protocol="HTTP", Port=80,
              VpcId="vpc-1", HealthCheckIntervalSeconds=5)
    arn = made["TargetGroups"][0]["TargetGroupArn"]
    name = {"AutoScalingGroupName": "behind"}
    hook = dict(name, LifecycleHookName="drain")
    do("autoscaling", "CreateAutoScalingGroup", MinSize=0, MaxSize=1, DesiredCapacity=1,
       LaunchTemplate={"LaunchTemplateName": "web"}, TargetGroupARNs=[arn], **name)
    scaling.put_lifecycle_hook(LifecycleTransition=DOWN, **hook)

    def health():
        return [each["TargetHealth"]["State"] for each in
                elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]]

    def states():
        return [each["state"] for each in instances("behind").values()]
    ok("an instance in service is in the target group of its group",
       wait_until(lambda: health() == ["healthy"]), health())
    scaling.set_desired_capacity(DesiredCapacity=0, **name)
    ok("one that terminates drains first", wait_until(lambda: health() == ["draining"]), health())
    time.sleep(0.1)
    equal("and no hook runs before that is over", states(), ["Terminating"])
    elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[
        {"Key": "deregistration_delay.timeout_seconds", "Value": "0"}])
    ok("but then it does", wait_until(lambda: states() == ["Terminating:Wait"]), states())


def tracking():
    scaling, metrics = client("autoscaling"), client("cloudwatch")
    name = {"AutoScalingGroupName": "tracked"}
    do("autoscaling", "CreateAutoScalingGroup", MinSize=1, MaxSize=20, DesiredCapacity=4,
       LaunchTemplate={"LaunchTemplateName": "web"}, **name)

    def there():
        return scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["tracked"])[
            "AutoScalingGroups"][0]

    def changes():  # another evaluation, at each multiple of 10 seconds, may add to them
        events = control("GET", "events?after=%d" % number)
        return [(each["old"], each["desired"]) for each in events if each["event"] == "desired"]
    number = control("GET", "events")[-1]["number"]

    def publish(metric_name, value):
        now = int(time.time()) // 10 * 10
        metrics.put_metric_data(Namespace="instanced", MetricData=[
            {"MetricName": metric_name, "Unit": "Percent", "StorageResolution": 1,
             "Timestamp": now - 10 * i, "StatisticValues": {
                 "SampleCount": 10, "Sum": 10 * value, "Minimum": value, "Maximum": value},
             "Dimensions": [{"Name": "AutoScalingGroupName", "Value": "tracked"}]}
            for i in range(-1, 20)])

    def follow(metric_name):
        return do("autoscaling", "PutScalingPolicy", PolicyName=metric_name,
                  PolicyType="TargetTrackingScaling", TargetTrackingConfiguration={
                      "TargetValue": 50, "CustomizedMetricSpecification": {
                          "MetricName": metric_name, "Namespace": "instanced", "Period": 10,
                          "Statistic": "Average", "Unit": "Percent", "Dimensions": [
                              {"Name": "AutoScalingGroupName", "Value": "tracked"}]}}, **name)
    publish("hot", 99.5)
    equal("a policy has its two alarms", [each["AlarmName"] for each in follow("hot")["Alarms"]],
          ["TargetTracking-tracked-AlarmHigh", "TargetTracking-tracked-AlarmLow"])
    ok("twice the target doubles a group", wait_until(lambda: changes()[:1] == [(4, 8)]), changes())
    do("autoscaling", "DeletePolicy", PolicyName="hot", **name)
    hot = there()["DesiredCapacity"]
    ok("and launches the instances", wait_until(lambda: len(there()["Instances"]) == hot))
    publish("cold", 5)
    follow("cold")
    ok("15 datapoints far below it take one instance away", wait_until(
        lambda: changes()[-1:] == [(hot, hot - 1)]), changes())


def what_else_there_is():
    scaling, stacks, elb = client("autoscaling"), client("cloudformation"), client("elbv2")
    name = {"AutoScalingGroupName": "own"}
    metadata = 'a "<&>" of señales'
    scaling.put_lifecycle_hook(LifecycleHookName="down", LifecycleTransition=DOWN,
                               NotificationMetadata=metadata, **name)
    equal("text comes back as it went, whatever is in it", scaling.describe_lifecycle_hooks(
        LifecycleHookNames=["down"], **name)["LifecycleHooks"][0]["NotificationMetadata"], metadata)
    scaling.suspend_processes(ScalingProcesses=["Launch"], **name)
    one = list(instances("own"))[0]
    ended = scaling.terminate_instance_in_auto_scaling_group(
        InstanceId=one, ShouldDecrementDesiredCapacity=False)
    like = "Terminating EC2 instance: " + one
    equal("an activity tells of a termination", ended["Activity"]["Description"], like)
    ok("and so does the list of them", like in [each["Description"] for each in
                                                scaling.describe_scaling_activities(**name)
                                                ["Activities"]])
    wait_until(lambda: instances("own")[one]["actions"])
    token = instances("own")[one]["actions"]["down"]["token"]
    scaling.complete_lifecycle_action(LifecycleHookName="down", LifecycleActionToken=token,
                                      LifecycleActionResult="CONTINUE", **name)
    ok("a token names an action as well as an instance does", one not in instances("own"))
    do("monitoring", "PutMetricData", Namespace="AWS/EC2", MetricData=[
        {"MetricName": "CPUUtilization", "Value": 7, "Timestamp": time.strftime(
            "%Y-%m-%dT%H:%M:%SZ", time.gmtime())}])
    ok("control may publish what is EC2's", "AWS/EC2" in [
        each["namespace"] for each in control("GET", "metrics")])
    begin, number = time.monotonic(), control("GET", "events")[-1]["number"]
    equal("no event, no news, after a while", control(
        "GET", "events?after=%d&wait=0.3" % number), [])
    ok("a while is as long as it says", 0.3 <= time.monotonic() - begin < 30)
    two = list(instances("own"))[0]
    scaling.detach_instances(InstanceIds=[two], ShouldDecrementDesiredCapacity=True, **name)
    ok("a detached instance leaves", wait_until(lambda: two not in instances("own")))
    scaling.put_scaling_policy(
        PolicyName="cpu", PolicyType="TargetTrackingScaling", TargetTrackingConfiguration={
            "TargetValue": 50, "PredefinedMetricSpecification": {
                "PredefinedMetricType": "ASGAverageCPUUtilization"}}, **name)
    equal("policies are described", [each["TargetTrackingConfiguration"]["TargetValue"] for each in
                                     scaling.describe_policies(**name)["ScalingPolicies"]], [50])
    equal("and stacks", sorted((each["StackName"], each["StackStatus"]) for each in
                               stacks.describe_stacks()["Stacks"]),
          [("bad", "CREATE_FAILED"), ("good", "CREATE_COMPLETE"), ("late", "CREATE_FAILED")])
    equal("and their resources", stacks.describe_stack_resource(
        StackName="late", LogicalResourceId="Web")["StackResourceDetail"]["ResourceStatusReason"],
          "Failed to receive 2 resource signal(s) within the specified duration")
    equal("and target groups", [(each["TargetGroupName"], each["Port"]) for each in
                                elb.describe_target_groups()["TargetGroups"]],
          [("web", 80), ("behind", 80)])
    equal("an action that is not simulated says so", error(scaling.describe_tags), "InvalidAction")


def many_at_once():
    before = len(logged())
    call = client("autoscaling").describe_auto_scaling_instances
    threads = [threading.Thread(target=lambda: [error(call) for _ in range(10)])
               for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal("80 calls of eight clients at once are answered, and logged",
          [each["status"] for each in logged()[before:]], [200] * 80)


if __name__ == "__main__":
    cli = [cli_autoscaling, cli_monitoring, cli_targets, cli_stacks]
    sys.exit(harness.run(group_and_instance, *(cli if os.path.exists(harness.AWS) else []),
                         terminations, faults, group_moves, group_and_targets, tracking,
                         what_else_there_is, many_at_once, options=("--speed", str(SPEED))))
