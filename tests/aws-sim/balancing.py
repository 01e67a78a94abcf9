# SPDX-License-Identifier: Apache-2.0
"""
The actions of Elastic Load Balancing (API version 2015-12-01) that have to do with targets.

A target that is registered is initial until its first health check, HealthCheckIntervalSeconds of
its group later, and then healthy. One that is deregistered is draining for
deregistration_delay.timeout_seconds, and then gone: described by name it is unused. Whether a
target answers is not looked at; the control call `targets` says what the checks find.

Sources: RegisterTargets, DeregisterTargets, DescribeTargetHealth (TargetHealth for states, reasons
and descriptions), DescribeTargetGroups, ModifyTargetGroupAttributes of the API Reference; "Target
groups for your Application Load Balancers" for defaults. Assumed: to deregister what is not
registered is no error; to register what is draining makes it initial again.
"""
import secrets

from model import Refused

DRAIN_SECONDS = 300
INTERVAL_SECONDS = 30
DESCRIPTIONS = {
    "Elb.RegistrationInProgress": "Target registration is in progress",
    "Target.DeregistrationInProgress": "Target deregistration is in progress",
    "Target.NotRegistered": "Target is not registered to the target group",
    "Target.FailedHealthChecks": "Health checks failed",
}


class Target:
    def __init__(self, target_id, port, now):
        self.id, self.port = target_id, port
        self.since, self.draining, self.failing = now, False, False


class TargetGroup:
    def __init__(self, arn, p):
        self.arn, self.p = arn, p
        self.name, self.port = p["Name"], p.get("Port", 80)
        self.interval = p.get("HealthCheckIntervalSeconds", INTERVAL_SECONDS)
        self.attributes = {"deregistration_delay.timeout_seconds": str(DRAIN_SECONDS)}
        self.targets = {}  # (ID, port): Target

    @property
    def delay(self):
        return int(self.attributes["deregistration_delay.timeout_seconds"])


class Balancing:
    def __init__(self, world):
        self.world = world
        self.groups = {}  # ARN: TargetGroup
        world.fleet.listeners.append(self.follow)
        world.fleet.drains.append(self.drains)

    def follow(self, event):
        """Instances of an Auto Scaling group come and go with the group's target groups."""
        if event["event"] != "state":
            return
        group = self.world.fleet.groups[event["group"]]
        for arn in group.target_groups:
            if arn not in self.groups:
                continue
            if event["state"] == "InService":
                self.register(self.groups[arn], {"Id": event["instance"]})
            elif event["state"] in ("Terminating", "EnteringStandby", "Detaching"):
                self.deregister(self.groups[arn], {"Id": event["instance"]})

    def drains(self, group, instance):
        """Whether a target group of the instance's group has it still."""
        return any(key[0] == instance.id for arn in group.target_groups if arn in self.groups
                   for key in self.groups[arn].targets)

    def tick(self, now):
        for group in self.groups.values():
            for key, target in list(group.targets.items()):
                if target.draining and now >= target.since + group.delay:
                    del group.targets[key]

    def find(self, arn):
        if arn not in self.groups:
            raise Refused("TargetGroupNotFound", "Target groups '%s' not found" % arn)
        return self.groups[arn]

    def health(self, group, target):
        """The state and its reason."""
        if target is None:
            return "unused", "Target.NotRegistered"
        if target.draining:
            return "draining", "Target.DeregistrationInProgress"
        if self.world.now() < target.since + group.interval:
            return "initial", "Elb.RegistrationInProgress"
        return ("unhealthy", "Target.FailedHealthChecks") if target.failing else ("healthy", None)

    def register(self, group, description):
        key = description["Id"], description.get("Port", group.port)
        if key not in group.targets or group.targets[key].draining:
            group.targets[key] = Target(*key, self.world.now())

    def deregister(self, group, description):
        for key, target in group.targets.items():
            if key[0] == description["Id"] and description.get("Port", key[1]) == key[1] and \
                    not target.draining:
                target.draining, target.since = True, self.world.now()

    # -- actions --

    def CreateTargetGroup(self, p):
        for group in self.groups.values():
            if group.name == p["Name"]:
                raise Refused("DuplicateTargetGroupName", "A target group with the same name '%s' "
                              "exists, but with different settings" % p["Name"])
        arn = "arn:aws:elasticloadbalancing:%s:123456789012:targetgroup/%s/%s" % (
            self.world.region, p["Name"], secrets.token_hex(8))
        self.groups[arn] = TargetGroup(arn, p)
        return self.DescribeTargetGroups({"TargetGroupArns": [arn]})

    def ModifyTargetGroupAttributes(self, p):
        group = self.find(p["TargetGroupArn"])
        for each in p["Attributes"]:
            if each["Key"] not in group.attributes:
                raise Refused("ValidationError", "Target group attribute key '%s' is not recognized"
                              % each["Key"])
            if not each["Value"].isdigit() or int(each["Value"]) > 3600:
                raise Refused("ValidationError", "%s must be from 0 to 3600" % each["Key"])
            group.attributes[each["Key"]] = each["Value"]
        return self.DescribeTargetGroupAttributes(p)

    def DescribeTargetGroupAttributes(self, p):
        group = self.find(p["TargetGroupArn"])
        return {"Attributes": [{"Key": key, "Value": value}
                               for key, value in group.attributes.items()]}

    def DescribeTargetGroups(self, p):
        groups = [self.find(arn) for arn in p.get("TargetGroupArns", self.groups)]
        return {"TargetGroups": [
            {"TargetGroupArn": each.arn, "TargetGroupName": each.name, "Port": each.port,
             "Protocol": each.p.get("Protocol", "HTTP"), "VpcId": each.p.get("VpcId"),
             "TargetType": each.p.get("TargetType", "instance"),
             "HealthCheckIntervalSeconds": each.interval,
             "HealthCheckPath": each.p.get("HealthCheckPath", "/")}
            for each in groups if each.name in p.get("Names", [each.name])]}

    def RegisterTargets(self, p):
        group = self.find(p["TargetGroupArn"])
        for each in p["Targets"]:
            if group.p.get("TargetType", "instance") == "instance" and \
                    not each["Id"].startswith("i-"):
                raise Refused("ValidationError", "Instance ID '%s' is not valid" % each["Id"])
            self.register(group, each)

    def DeregisterTargets(self, p):
        group = self.find(p["TargetGroupArn"])
        for each in p["Targets"]:
            self.deregister(group, each)

    def DescribeTargetHealth(self, p):
        group = self.find(p["TargetGroupArn"])
        if "Targets" in p:
            keys = [(each["Id"], each.get("Port", group.port)) for each in p["Targets"]]
        else:
            keys = list(group.targets)
        described = []
        for key in keys:
            state, reason = self.health(group, group.targets.get(key))
            described.append({
                "Target": {"Id": key[0], "Port": key[1]}, "HealthCheckPort": str(key[1]),
                "TargetHealth": {"State": state, "Reason": reason,
                                 "Description": DESCRIPTIONS.get(reason)}})
        return {"TargetHealthDescriptions": described}
