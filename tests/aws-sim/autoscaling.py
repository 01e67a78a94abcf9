# SPDX-License-Identifier: Apache-2.0
"""
The actions of Amazon EC2 Auto Scaling (API version 2011-01-01), over the groups of lifecycle.py.

A method has the name of its action and takes the parameters as botocore has them; it gives back the
members of the answer. Source: the Amazon EC2 Auto Scaling API Reference, action by action.
"""
from lifecycle import HEARTBEAT_SECONDS, LAUNCHING, TERMINATING, Group, Hook
from model import Refused
from tracking import Tracker, alarms_of

ACCOUNT = "123456789012"
GRANULARITIES = (10, 30, 60)
RESULTS = ("CONTINUE", "ABANDON")


def invalid(message):
    return Refused("ValidationError", message)


class AutoScaling:
    def __init__(self, world):
        self.world = world
        self.fleet = world.fleet

    def arn(self, kind, group, rest=""):
        return "arn:aws:autoscaling:%s:%s:%s:autoScalingGroupName/%s%s" % (
            self.fleet.region, ACCOUNT, kind, group.name, rest)

    def group(self, name):
        if name not in self.fleet.groups:
            raise invalid("AutoScalingGroup name not found - AutoScalingGroup '%s' not found" %
                          name)
        return self.fleet.groups[name]

    def instance(self, instance_id, group_name=None):
        group, instance = self.fleet.find(instance_id)
        if instance is None or group_name not in (None, group.name):
            raise invalid("Instance Id not found - No managed instance found for instance ID: %s" %
                          instance_id)
        return group, instance

    # -- groups --

    def CreateAutoScalingGroup(self, p):
        name = p["AutoScalingGroupName"]
        if name in self.fleet.groups:
            raise Refused("AlreadyExists", "AutoScalingGroup by this name already exists - A group "
                          "with the name %s already exists" % name)
        if not any(key in p for key in ("LaunchTemplate", "LaunchConfigurationName",
                                        "MixedInstancesPolicy", "InstanceId")):
            raise invalid("Valid requests must contain either LaunchTemplate, "
                          "LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.")
        desired = p.get("DesiredCapacity", p["MinSize"])
        group = Group(name, p["MinSize"], p["MaxSize"], desired,
                      p.get("AvailabilityZones") or [self.fleet.region + "a"],
                      grace=p.get("HealthCheckGracePeriod", 0),
                      warmup=p.get("DefaultInstanceWarmup"),
                      health_check=p.get("HealthCheckType", "EC2"),
                      target_groups=p.get("TargetGroupARNs", []),
                      launch_template=p.get("LaunchTemplate"), tags=p.get("Tags", []))
        check_bounds(group, desired)
        self.fleet.groups[name] = group
        for hook in p.get("LifecycleHookSpecificationList", []):
            self.PutLifecycleHook(dict(hook, AutoScalingGroupName=name))

    def UpdateAutoScalingGroup(self, p):
        group = self.group(p["AutoScalingGroupName"])
        group.minimum, group.maximum = p.get("MinSize", group.minimum), p.get("MaxSize",
                                                                              group.maximum)
        group.grace = p.get("HealthCheckGracePeriod", group.grace)
        group.warmup = p.get("DefaultInstanceWarmup", group.warmup)
        wanted = p.get("DesiredCapacity", group.desired)
        if "DesiredCapacity" in p:
            check_bounds(group, wanted)
        self.fleet.set_desired(group, max(group.minimum, min(group.maximum, wanted)), "update")

    def DeleteAutoScalingGroup(self, p):
        group = self.group(p["AutoScalingGroupName"])
        if group.instances and not p.get("ForceDelete"):
            raise Refused("ResourceInUse", "You cannot delete an AutoScalingGroup while there are "
                          "instances or pending Spot instance request(s) still in the group.")
        del self.fleet.groups[group.name]

    def DescribeAutoScalingGroups(self, p):
        names = p.get("AutoScalingGroupNames") or list(self.fleet.groups)
        return {"AutoScalingGroups": [self.describe_group(self.fleet.groups[name])
                                      for name in names if name in self.fleet.groups]}

    def describe_group(self, group):
        return {
            "AutoScalingGroupName": group.name,
            "AutoScalingGroupARN": self.arn("autoScalingGroup:0", group),
            "LaunchTemplate": group.launch_template,
            "MinSize": group.minimum, "MaxSize": group.maximum,
            "DesiredCapacity": group.desired, "DefaultCooldown": 300,
            "AvailabilityZones": group.zones, "TargetGroupARNs": group.target_groups,
            "HealthCheckType": group.health_check, "HealthCheckGracePeriod": group.grace,
            "DefaultInstanceWarmup": group.warmup, "CreatedTime": group.created,
            "Instances": [self.describe_instance(group, each, False)
                          for each in group.instances.values() if not each.warm],
            "Tags": [dict(tag, ResourceId=group.name, ResourceType="auto-scaling-group")
                     for tag in group.tags],
            "SuspendedProcesses": [{"ProcessName": name} for name in sorted(group.suspended)],
            "WarmPoolSize": sum(each.warm for each in group.instances.values())
            if group.warm_pool else None,
        }

    def describe_instance(self, group, instance, alone):
        described = {
            "InstanceId": instance.id, "InstanceType": instance.kind,
            "AvailabilityZone": instance.zone, "LifecycleState": instance.state,
            "HealthStatus": ("Healthy", "Unhealthy")[not instance.healthy],
            "LaunchTemplate": group.launch_template,
            "ProtectedFromScaleIn": instance.protected,
        }
        if alone:
            described["AutoScalingGroupName"] = group.name
            described["HealthStatus"] = described["HealthStatus"].upper()
        return described

    def DescribeAutoScalingInstances(self, p):
        wanted = p.get("InstanceIds")
        return {"AutoScalingInstances": [
            self.describe_instance(group, each, True)
            for group in self.fleet.groups.values() for each in group.instances.values()
            if not wanted or each.id in wanted]}

    def SetDesiredCapacity(self, p):
        group = self.group(p["AutoScalingGroupName"])
        check_bounds(group, p["DesiredCapacity"])
        self.fleet.set_desired(group, p["DesiredCapacity"], "a user request")

    def DescribeScalingActivities(self, p):
        groups = [self.group(p["AutoScalingGroupName"])] if "AutoScalingGroupName" in p else \
            self.fleet.groups.values()
        return {"Activities": [
            {"ActivityId": each["id"], "AutoScalingGroupName": group.name,
             "Description": each["description"], "Cause": each["cause"],
             "StartTime": each["time"], "StatusCode": "Successful", "Progress": 100}
            for group in groups for each in group.activities][:p.get("MaxRecords", 100)]}

    def SuspendProcesses(self, p):
        group = self.group(p["AutoScalingGroupName"])
        group.suspended |= set(p.get("ScalingProcesses") or PROCESSES)

    def ResumeProcesses(self, p):
        group = self.group(p["AutoScalingGroupName"])
        group.suspended -= set(p.get("ScalingProcesses") or PROCESSES)

    # -- hooks, and what they run --

    def PutLifecycleHook(self, p):
        group, name = self.group(p["AutoScalingGroupName"]), p["LifecycleHookName"]
        old = group.hooks.get(name)
        transition = p.get("LifecycleTransition", old and old.transition)
        if transition not in (LAUNCHING, TERMINATING):
            raise invalid("Lifecycle transition must be one of %s, %s" % (LAUNCHING, TERMINATING))
        result = p.get("DefaultResult", old.default if old else "ABANDON")
        check_result("DefaultResult", result)
        heartbeat = p.get("HeartbeatTimeout", old.heartbeat if old else HEARTBEAT_SECONDS)
        if not 30 <= heartbeat <= 7200:
            raise invalid("Heartbeat timeout must be between 30 and 7200 seconds")
        group.hooks[name] = Hook(name, transition, heartbeat, result,
                                 p.get("NotificationMetadata"), p.get("NotificationTargetARN"),
                                 p.get("RoleARN"))

    def DeleteLifecycleHook(self, p):
        """Its actions end as if completed with ABANDON for launches and CONTINUE otherwise."""
        group = self.group(p["AutoScalingGroupName"])
        hook = group.hooks.pop(p["LifecycleHookName"], None)
        if hook is None:
            raise invalid("No Lifecycle Hook found with name %s" % p["LifecycleHookName"])
        for instance in list(group.instances.values()):
            for action in [each for each in instance.actions if each.hook is hook]:
                self.fleet.complete(group, instance, action, "ABANDON" if hook.transition ==
                                    LAUNCHING else "CONTINUE", self.world.now())

    def DescribeLifecycleHooks(self, p):
        group = self.group(p["AutoScalingGroupName"])
        wanted = p.get("LifecycleHookNames")
        return {"LifecycleHooks": [
            {"LifecycleHookName": hook.name, "AutoScalingGroupName": group.name,
             "LifecycleTransition": hook.transition, "HeartbeatTimeout": hook.heartbeat,
             "GlobalTimeout": hook.limit, "DefaultResult": hook.default,
             "NotificationMetadata": hook.metadata, "NotificationTargetARN": hook.topic,
             "RoleARN": hook.role}
            for hook in group.hooks.values() if not wanted or hook.name in wanted]}

    def action(self, p):
        """The action at work that the parameters name, by its token or its instance."""
        token, instance_id = p.get("LifecycleActionToken"), p.get("InstanceId")
        if not token and not instance_id:
            raise invalid("Either LifecycleActionToken or InstanceId must be specified.")
        group = self.fleet.groups.get(p["AutoScalingGroupName"])
        for instance in group.instances.values() if group else ():
            for action in instance.actions:
                if action.hook.name == p["LifecycleHookName"] and \
                        token in (None, action.token) and instance_id in (None, instance.id):
                    return group, instance, action
        raise invalid("No active Lifecycle Action found with " +
                      ("token " + token if token else "instance ID " + instance_id))

    def CompleteLifecycleAction(self, p):
        check_result("LifecycleActionResult", p["LifecycleActionResult"])
        group, instance, action = self.action(p)
        self.fleet.complete(group, instance, action, p["LifecycleActionResult"], self.world.now())

    def RecordLifecycleActionHeartbeat(self, p):
        group, instance, action = self.action(p)
        action.beat(self.world.now())
        self.fleet.emit("heartbeat", group, instance, hook=action.hook.name)

    # -- single instances --

    def SetInstanceHealth(self, p):
        group, instance = self.instance(p["InstanceId"])
        if p["HealthStatus"] not in ("Healthy", "Unhealthy"):
            raise invalid("Valid instance health states are: [Healthy, Unhealthy].")
        graced = self.world.now() < instance.in_service + group.grace
        if p["HealthStatus"] == "Unhealthy" and p.get("ShouldRespectGracePeriod", True) and graced:
            return
        if instance.healthy != (p["HealthStatus"] == "Healthy"):
            instance.healthy = not instance.healthy
            self.fleet.emit("health", group, instance, health=p["HealthStatus"])

    def TerminateInstanceInAutoScalingGroup(self, p):
        group, instance = self.instance(p["InstanceId"])
        if p["ShouldDecrementDesiredCapacity"]:
            check_bounds(group, group.desired - 1)
            self.fleet.set_desired(group, group.desired - 1, "a user request")
        self.fleet.terminate(group, instance, self.world.now(),
                             "instance was taken out of service in response to a user request")
        return {"Activity": self.DescribeScalingActivities(
            {"AutoScalingGroupName": group.name})["Activities"][0]}

    def each_of(self, p):
        for instance_id in p.get("InstanceIds", []):
            yield self.instance(instance_id, p["AutoScalingGroupName"])

    def EnterStandby(self, p):
        for group, instance in self.each_of(p):
            if instance.state != "InService":
                raise invalid("The instance %s is not in InService." % instance.id)
            self.fleet.enter_standby(group, instance, self.world.now())
            if p["ShouldDecrementDesiredCapacity"]:
                self.fleet.set_desired(group, group.desired - 1, "instances moved to standby")
        return {"Activities": []}

    def ExitStandby(self, p):
        for group, instance in self.each_of(p):
            if instance.state != "Standby":
                raise invalid("The instance %s is not in Standby." % instance.id)
            self.fleet.set_desired(group, group.desired + 1, "instances moved out of standby")
            self.fleet.exit_standby(group, instance, self.world.now())
        return {"Activities": []}

    def DetachInstances(self, p):
        for group, instance in self.each_of(p):
            self.fleet.detach(group, instance, self.world.now())
            if p["ShouldDecrementDesiredCapacity"]:
                self.fleet.set_desired(group, group.desired - 1, "instances detached")
        return {"Activities": []}

    def SetInstanceProtection(self, p):
        for _, instance in self.each_of(p):
            instance.protected = p["ProtectedFromScaleIn"]

    def PutWarmPool(self, p):
        group = self.group(p["AutoScalingGroupName"])
        group.warm_pool = {"state": p.get("PoolState", "Stopped"), "minimum": p.get("MinSize", 0),
                           "prepared": p.get("MaxGroupPreparedCapacity", group.maximum)}

    # -- policies --

    def PutScalingPolicy(self, p):
        group = self.group(p["AutoScalingGroupName"])
        configuration = p.get("TargetTrackingConfiguration")
        if p.get("PolicyType") != "TargetTrackingScaling" or not configuration:
            raise invalid("only PolicyType TargetTrackingScaling is simulated")
        metric = configuration.get("CustomizedMetricSpecification")
        predefined = configuration.get("PredefinedMetricSpecification")
        if bool(metric) == bool(predefined):
            raise invalid("Exactly one of PredefinedMetricSpecification and "
                          "CustomizedMetricSpecification must be specified")
        if predefined:
            if predefined["PredefinedMetricType"] != "ASGAverageCPUUtilization":
                raise invalid("only ASGAverageCPUUtilization is simulated")
            metric = {"Namespace": "AWS/EC2", "MetricName": "CPUUtilization",
                      "Statistic": "Average", "Unit": "Percent",
                      "Dimensions": [{"Name": "AutoScalingGroupName", "Value": group.name}]}
        for member in ("MetricName", "Namespace", "Statistic"):
            if member not in metric:
                raise invalid("CustomizedMetricSpecification needs %s" % member)
        period = metric.get("Period", 60)
        if period not in GRANULARITIES:
            raise invalid("Period must be 10, 30 or 60")
        policy = Tracker(configuration["TargetValue"], period,
                         scale_in=not configuration.get("DisableScaleIn", False),
                         warmup=p.get("EstimatedInstanceWarmup", group.warmup))
        policy.name, policy.metric, policy.configuration = p["PolicyName"], metric, configuration
        counts = self.fleet.settings["tracking"]
        policy.high.count = counts.get("high", policy.high.count)
        policy.low.count = counts.get("low", policy.low.count)
        group.policies[p["PolicyName"]] = policy
        return {"PolicyARN": self.arn("scalingPolicy:0", group, ":policyName/" + policy.name),
                "Alarms": self.alarms(group, policy)}

    def alarms(self, group, policy):
        return [{"AlarmName": "TargetTracking-%s-Alarm%s" % (group.name, alarm.name),
                 "AlarmARN": "arn:aws:cloudwatch:%s:%s:alarm:TargetTracking-%s-Alarm%s" %
                 (self.fleet.region, ACCOUNT, group.name, alarm.name)}
                for alarm in alarms_of(policy)]

    def DescribePolicies(self, p):
        groups = [self.group(p["AutoScalingGroupName"])] if "AutoScalingGroupName" in p else \
            self.fleet.groups.values()
        return {"ScalingPolicies": [
            {"AutoScalingGroupName": group.name, "PolicyName": policy.name,
             "PolicyARN": self.arn("scalingPolicy:0", group, ":policyName/" + policy.name),
             "PolicyType": "TargetTrackingScaling", "Alarms": self.alarms(group, policy),
             "TargetTrackingConfiguration": policy.configuration, "Enabled": True}
            for group in groups for policy in group.policies.values()
            if policy.name in p.get("PolicyNames", [policy.name])]}

    def DeletePolicy(self, p):
        group = self.group(p["AutoScalingGroupName"])
        if group.policies.pop(p["PolicyName"], None) is None:
            raise invalid("No scaling policy found with name %s" % p["PolicyName"])


PROCESSES = ("Launch", "Terminate", "ReplaceUnhealthy", "AlarmNotification")


def check_bounds(group, desired):
    if not 0 <= group.minimum <= group.maximum:
        raise invalid("Max bound, %d, must be greater than or equal to min bound, %d" %
                      (group.maximum, group.minimum))
    if not group.minimum <= desired <= group.maximum:
        bound = "above max value %d" % group.maximum if desired > group.maximum else \
            "below min value %d" % group.minimum
        raise invalid("New SetDesiredCapacity value %d is %s for the AutoScalingGroup." %
                      (desired, bound))


def check_result(name, result):
    if result not in RESULTS:
        raise invalid("%s must be one of %s, not %s" % (name, ", ".join(RESULTS), result))
