# SPDX-License-Identifier: Apache-2.0
"""
The life of instances in Auto Scaling groups: what happens, not how it is asked for.

    Pending → [Pending:Wait → Pending:Proceed →] InService
    Terminating → [Terminating:Wait → Terminating:Proceed →] Terminated
    InService → EnteringStandby → Standby → Pending → InService
    InService → Detaching → Detached
    Warmed:Pending → … → Warmed:Stopped (Running, Hibernated) → Pending → …

What is in brackets happens where the group has a hook for the transition. Each hook is an action of
its own, with its own token and time; an instance waits for all of them. ABANDON of a launch
terminates the instance; ABANDON of a termination ends its other actions. A hook whose time is over
counts as completed with its default result. Hooks run at launches and terminations, and not when an
instance leaves standby or is detached. An instance joins the group's target groups when its launch
is done; it leaves them first thing in Terminating, and waits there until they have drained it.

Sources: "Amazon EC2 Auto Scaling instance lifecycle", "Amazon EC2 Auto Scaling lifecycle hooks" and
"How lifecycle hooks work", "Warm pools", "Retrieve the target lifecycle state through instance
metadata" of the User Guide.

Assumed, where those are silent: termination hooks run for one whose launch was abandoned; who goes
first at scale-in is the oldest instance in service that is not protected.

Times are seconds of a clock that the caller owns (it may run faster than the wall's): everything
happens in tick(now) or in a call. Nothing here locks.
"""
import itertools
import os
import secrets
import time

LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
HEARTBEAT_SECONDS = 3600
GLOBAL_HEARTBEATS = 100
GLOBAL_SECONDS = 48 * 3600
WARM = "Warmed:"
HOOKED = {"Pending": LAUNCHING, "Terminating": TERMINATING}
EVENTS_MAX = 100000
TARGET_FILE = "meta-data/autoscaling/target-lifecycle-state"


class Hook:
    def __init__(self, name, transition, heartbeat=HEARTBEAT_SECONDS, default="ABANDON",
                 metadata=None, topic=None, role=None):
        self.name, self.transition, self.default = name, transition, default
        self.heartbeat, self.metadata, self.topic, self.role = heartbeat, metadata, topic, role
        self.limit = min(GLOBAL_HEARTBEATS * heartbeat, GLOBAL_SECONDS)


class Action:
    """One hook at work on one instance."""

    def __init__(self, hook, now):
        digits = secrets.token_hex(16)
        self.token = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20],
                               digits[20:]))
        self.hook, self.end = hook, now + hook.limit
        self.beat(now)

    def beat(self, now):
        self.deadline = min(now + self.hook.heartbeat, self.end)


class Instance:
    def __init__(self, instance_id, zone, kind, now):
        self.id, self.zone, self.kind = instance_id, zone, kind
        self.launched = now
        self.state, self.target = None, None
        self.since = self.in_service = now
        self.healthy, self.protected = True, False
        self.actions = []
        self.hooked = True  # whether the next transition runs hooks

    @property
    def warm(self):
        return self.state.startswith(WARM)

    @property
    def pool(self):
        return WARM if self.warm else ""

    @property
    def phase(self):
        """The state without the pool it is in, and without Wait or Proceed."""
        return self.state.removeprefix(WARM).partition(":")[0]

    @property
    def part(self):
        """Wait, Proceed or nothing."""
        return self.state.removeprefix(WARM).partition(":")[2]

    @property
    def counted(self):
        """Whether it is of the desired capacity."""
        return not self.warm and self.phase in ("Pending", "InService")


class Group:
    def __init__(self, name, minimum, maximum, desired, zones, **more):
        self.name, self.created = name, time.time()
        self.minimum, self.maximum, self.desired = minimum, maximum, desired
        self.zones = zones
        self.hooks, self.instances, self.policies = {}, {}, {}
        self.activities = []
        self.grace = more.get("grace", 0)
        self.warmup = more.get("warmup")
        self.health_check = more.get("health_check", "EC2")
        self.target_groups = more.get("target_groups", [])
        self.launch_template = more.get("launch_template")
        self.tags = more.get("tags", [])
        self.warm_pool = None  # {"state":, "minimum":, "prepared":}
        self.suspended = set()

    def counted(self):
        return [each for each in self.instances.values() if each.counted]


class Fleet:
    """
    All groups. settings: boot, seconds from launch to the hooks; dwell, seconds in each other state
    that passes by itself; ids, the IDs of the next instances (then they are made up); imds, a
    directory with the metadata tree of instance ID at ID, where there is one; tracking, for
    autoscaling.py.
    """

    def __init__(self, region="us-east-1"):
        self.region = region
        self.groups = {}
        self.settings = {"boot": 0.0, "dwell": 0.0, "ids": [], "imds": None, "tracking": {}}
        self.trees = {}  # of instances, by ID: the directories of their metadata
        self.events, self.numbers = [], itertools.count(1)
        self.listeners = []  # each called with (event) as it happens
        self.drains = []  # each called with (group, instance): whether it is still being drained

    # -- what happened --

    def emit(self, event, group, instance=None, **more):
        entry = {"number": next(self.numbers), "time": time.time(), "event": event,
                 "group": group.name}
        if instance:
            entry["instance"] = instance.id
        entry.update(more)
        self.events.append(entry)
        del self.events[:-EVENTS_MAX]
        for listener in self.listeners:
            listener(entry)

    def activity(self, group, description, cause):
        group.activities.insert(0, {"id": secrets.token_hex(18), "time": time.time(),
                                    "description": description, "cause": cause})
        del group.activities[100:]

    def move(self, group, instance, state, now):
        old, instance.state, instance.since = instance.state, state, now
        self.emit("state", group, instance, old=old, state=state, target=instance.target)

    def aim(self, instance, target):
        instance.target = target
        self.write_target(instance)

    def write_target(self, instance):
        """The target state in the instance's metadata, as AWS keeps it there."""
        tree = self.trees.get(instance.id)
        if not tree and self.settings["imds"]:
            tree = os.path.join(self.settings["imds"], instance.id)
        if not tree or not os.path.isdir(os.path.join(tree, "meta-data")):
            return
        path, fresh = os.path.join(tree, TARGET_FILE), os.path.join(tree, ".target-state")
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if os.path.exists(path):
                with open(path) as file:
                    if file.read() == instance.target:
                        return
            with open(fresh, "w") as file:
                file.write(instance.target)
            os.rename(fresh, path)
        except FileNotFoundError:  # somebody takes the tree away at this moment
            pass

    # -- what is done to an instance --

    def find(self, instance_id):
        for group in self.groups.values():
            if instance_id in group.instances:
                return group, group.instances[instance_id]
        return None, None

    def launch(self, group, now, instance_id=None, warm=False, cause=""):
        if instance_id is None:
            ids = self.settings["ids"]
            instance_id = ids.pop(0) if ids else "i-0" + secrets.token_hex(8)
        zone = group.zones[len(group.instances) % len(group.zones)]
        instance = Instance(instance_id, zone, "t3.micro", now)
        group.instances[instance_id] = instance
        pool = WARM + group.warm_pool["state"] if warm else None
        self.aim(instance, pool or "InService")
        self.activity(group, "Launching a new EC2 instance: " + instance_id, cause)
        self.move(group, instance, WARM + "Pending" if warm else "Pending", now)
        self.emit("launch", group, instance, zone=zone, warm=warm)
        return instance

    def leave_pool(self, group, instance, now):
        self.aim(instance, "InService")
        self.activity(group, "Launching a new EC2 instance from warm pool: " + instance.id, "")
        self.move(group, instance, "Pending", now)
        self.emit("start", group, instance)

    def terminate(self, group, instance, now, cause=""):
        if instance.phase == "Terminating":
            return
        instance.actions, instance.hooked = [], True
        self.aim(instance, instance.pool + "Terminated")
        self.activity(group, "Terminating EC2 instance: " + instance.id, cause)
        self.move(group, instance, instance.pool + "Terminating", now)

    def complete(self, group, instance, action, result, now):
        """Ends one action of the instance; nothing else of it is left to do."""
        instance.actions.remove(action)
        self.emit("complete", group, instance, hook=action.hook.name, result=result)
        if result == "ABANDON" and action.hook.transition == LAUNCHING:
            self.terminate(group, instance, now, "launch abandoned by hook " + action.hook.name)
        elif result == "ABANDON":
            instance.actions = []
        self.step(group, instance, now)

    def enter_standby(self, group, instance, now):
        self.aim(instance, "Standby")
        self.move(group, instance, "EnteringStandby", now)

    def exit_standby(self, group, instance, now):
        self.aim(instance, "InService")
        instance.hooked = False
        self.move(group, instance, "Pending", now)

    def detach(self, group, instance, now):
        self.aim(instance, "Detached")
        self.move(group, instance, "Detaching", now)

    # -- what happens by itself --

    def step(self, group, instance, now):
        """Moves an instance on by one state, if it is time for that."""
        phase = instance.phase
        if instance.part == "Wait":
            self.step_waiting(group, instance, now)
        elif self.stays(group, instance, now):
            return
        elif phase in HOOKED:
            hooks = [hook for hook in group.hooks.values() if hook.transition == HOOKED[phase]]
            if hooks and instance.hooked and not instance.part:
                self.begin(group, instance, hooks, now)
            else:
                self.finish(group, instance, now)
        elif phase == "EnteringStandby":
            self.move(group, instance, "Standby", now)
        elif phase == "Detaching":
            self.remove(group, instance, "Detached", now)

    def stays(self, group, instance, now):
        """Whether an instance is to stay a while in a state that passes by itself."""
        fresh = instance.phase == "Pending" and not instance.part
        if now - instance.since < self.settings["boot" if fresh else "dwell"]:
            return True
        return instance.phase == "Terminating" and not instance.part and \
            any(drains(group, instance) for drains in self.drains)

    def begin(self, group, instance, hooks, now):
        instance.actions = [Action(hook, now) for hook in hooks]
        self.move(group, instance, instance.state + ":Wait", now)
        for action in instance.actions:
            self.emit("hook", group, instance, hook=action.hook.name, token=action.token,
                      transition=action.hook.transition)

    def step_waiting(self, group, instance, now):
        late = next((each for each in instance.actions if each.deadline <= now), None)
        if late:
            self.emit("timeout", group, instance, hook=late.hook.name)
            self.complete(group, instance, late, late.hook.default, now)
        elif not instance.actions:
            self.move(group, instance, instance.pool + instance.phase + ":Proceed", now)

    def finish(self, group, instance, now):
        """The end of a launch or a termination."""
        instance.hooked = True
        if instance.phase == "Terminating":
            self.remove(group, instance, instance.pool + "Terminated", now)
            self.emit("terminate", group, instance)
        elif instance.warm:
            self.move(group, instance, WARM + group.warm_pool["state"], now)
            self.emit("stop", group, instance, state=instance.state)
        else:
            instance.in_service = now
            self.move(group, instance, "InService", now)

    def remove(self, group, instance, state, now):
        self.move(group, instance, state, now)
        del group.instances[instance.id]

    def maintain(self, group, now):
        """Launches and terminates what the desired capacity, health and the pool ask for."""
        if "ReplaceUnhealthy" not in group.suspended:
            for instance in list(group.instances.values()):
                if not instance.healthy and instance.state == "InService":
                    self.terminate(group, instance, now, "an instance was taken out of service in "
                                   "response to a health-check")
        difference = group.desired - len(group.counted())
        if difference > 0 and "Launch" not in group.suspended:
            warm = [each for each in group.instances.values()
                    if each.warm and each.phase not in ("Pending", "Terminating")]
            for instance in warm[:difference]:
                self.leave_pool(group, instance, now)
            for _ in range(difference - len(warm)):
                self.launch(group, now, cause="an instance was started in response to a "
                            "difference between desired and actual capacity")
        elif difference < 0 and "Terminate" not in group.suspended:
            going = [each for each in group.counted()
                     if each.state == "InService" and not each.protected]
            for instance in going[:-difference]:
                self.terminate(group, instance, now, "an instance was taken out of service in "
                               "response to a difference between desired and actual capacity")
        if group.warm_pool and "Launch" not in group.suspended:
            size = max(group.warm_pool["minimum"], group.warm_pool["prepared"] - group.desired)
            there = [each for each in group.instances.values()
                     if each.warm and each.phase != "Terminating"]
            for _ in range(size - len(there)):
                self.launch(group, now, warm=True)

    def tick(self, now):
        for group in list(self.groups.values()):
            self.maintain(group, now)
            for instance in list(group.instances.values()):
                state = None
                while instance.state != state and instance.id in group.instances:
                    state = instance.state
                    self.step(group, instance, now)
                self.write_target(instance)

    def set_desired(self, group, desired, cause):
        if desired != group.desired:
            self.emit("desired", group, old=group.desired, desired=desired, cause=cause)
        group.desired = desired
