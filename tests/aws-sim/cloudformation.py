# SPDX-License-Identifier: Apache-2.0
"""
The actions of AWS CloudFormation (API version 2010-05-15) that a resource with a creation policy
needs: a stack waits until Count signals of different IDs came for it, or fails when the first
FAILURE came or the policy's time is over.

Sources: SignalResource, CreateStack, DescribeStacks and DescribeStackResource of the API Reference;
"CreationPolicy attribute" of the User Guide. Templates are JSON; of a resource, Type and
CreationPolicy.ResourceSignal (Count, default 1; Timeout, default PT5M) are read.
"""
import json
import re
import secrets
import time

from model import Refused

DURATION = re.compile(r"PT(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?")


def invalid(message):
    return Refused("ValidationError", message)


class Resource:
    def __init__(self, name, description, now):
        signal = (description.get("CreationPolicy") or {}).get("ResourceSignal")
        match = DURATION.fullmatch((signal or {}).get("Timeout", "PT5M"))
        if not match:
            raise invalid("Template error: Timeout of %s is no ISO 8601 duration" % name)
        hours, minutes, seconds = (int(part or 0) for part in match.groups())
        self.name, self.kind = name, description.get("Type", "AWS::CloudFormation::Null")
        self.count = int(signal.get("Count", 1)) if signal is not None else 0
        self.deadline = now + hours * 3600 + minutes * 60 + seconds
        self.signals = {}  # unique ID: SUCCESS or FAILURE
        self.status, self.reason = "CREATE_IN_PROGRESS", None
        self.changed = time.time()

    def settle(self, now):
        if self.status != "CREATE_IN_PROGRESS":
            return
        good = list(self.signals.values()).count("SUCCESS")
        if "FAILURE" in self.signals.values():
            self.end("CREATE_FAILED", "Received FAILURE signal with UniqueId " + next(
                name for name, status in self.signals.items() if status == "FAILURE"))
        elif good >= self.count:
            self.end("CREATE_COMPLETE", None)
        elif now >= self.deadline:
            self.end("CREATE_FAILED", "Failed to receive %d resource signal(s) within the "
                     "specified duration" % (self.count - good))

    def end(self, status, reason):
        self.status, self.reason, self.changed = status, reason, time.time()


class Stack:
    def __init__(self, name, arn, resources):
        self.name, self.arn, self.resources = name, arn, resources
        self.created = time.time()

    @property
    def status(self):
        each = [resource.status for resource in self.resources.values()]
        return "CREATE_FAILED" if "CREATE_FAILED" in each else \
            "CREATE_IN_PROGRESS" if "CREATE_IN_PROGRESS" in each else "CREATE_COMPLETE"


class CloudFormation:
    def __init__(self, world):
        self.world = world
        self.stacks = {}

    def tick(self, now):
        for stack in self.stacks.values():
            for resource in stack.resources.values():
                resource.settle(now)

    def stack(self, name, describing=False):
        for stack in self.stacks.values():
            if name in (stack.name, stack.arn):
                return stack
        raise invalid(("Stack with id %s does not exist" if describing else
                       "Stack %s does not exist") % name)

    def resource(self, stack, name):
        if name not in stack.resources:
            raise invalid("Resource %s does not exist for stack %s" % (name, stack.name))
        return stack.resources[name]

    def CreateStack(self, p):
        if p["StackName"] in self.stacks:
            raise Refused("AlreadyExistsException", "Stack [%s] already exists" % p["StackName"])
        try:
            resources = json.loads(p["TemplateBody"])["Resources"]
            arn = "arn:aws:cloudformation:%s:123456789012:stack/%s/%s" % (
                self.world.region, p["StackName"], secrets.token_hex(16))
            stack = Stack(p["StackName"], arn, {
                name: Resource(name, each, self.world.now()) for name, each in resources.items()})
        except (KeyError, ValueError, AttributeError) as error:
            raise invalid("Template format error: %s" % error) from None
        self.stacks[stack.name] = stack
        self.tick(self.world.now())
        return {"StackId": stack.arn}

    def SignalResource(self, p):
        stack = self.stack(p["StackName"])
        resource = self.resource(stack, p["LogicalResourceId"])
        if stack.status != "CREATE_IN_PROGRESS":
            raise invalid("Stack %s is in %s state and cannot be signaled" %
                          (stack.arn, stack.status))
        if p["UniqueId"] in resource.signals and p["Status"] != "FAILURE":
            raise invalid("Signal with ID %s for resource %s already exists. Signals may only be "
                          "updated with a FAILURE status." % (p["UniqueId"], resource.name))
        resource.signals[p["UniqueId"]] = p["Status"]
        resource.settle(self.world.now())

    def DescribeStacks(self, p):
        chosen = [self.stack(p["StackName"], True)] if "StackName" in p else \
            self.stacks.values()
        return {"Stacks": [{"StackId": each.arn, "StackName": each.name,
                            "CreationTime": each.created, "StackStatus": each.status}
                           for each in chosen]}

    def DescribeStackResource(self, p):
        stack = self.stack(p["StackName"])
        resource = self.resource(stack, p["LogicalResourceId"])
        return {"StackResourceDetail": {
            "StackName": stack.name, "StackId": stack.arn, "LogicalResourceId": resource.name,
            "ResourceType": resource.kind, "LastUpdatedTimestamp": resource.changed,
            "ResourceStatus": resource.status, "ResourceStatusReason": resource.reason}}
