# SPDX-License-Identifier: Apache-2.0
"""What tests may do beside the API; the header of aws-sim says how it is asked for."""
import time

from model import SERVICES, Refused

WAIT_SECONDS = 60
SETTINGS = {"boot", "dwell", "ids", "tracking"}


class Control:
    def __init__(self, world):
        self.world = world
        self.calls = {
            ("POST", "launch"): self.launch,
            ("PUT", "instances"): self.instance,
            ("PUT", "targets"): self.target,
            ("PUT", "settings"): self.settings,
            ("PUT", "credentials"): lambda path, given, query: world.credentials.add(given),
            ("DELETE", "credentials"): lambda path, given, query:
                world.credentials.remove(path[0]),
            ("POST", "faults"): lambda path, given, query: world.faults.add(given),
            ("DELETE", "faults"): lambda path, given, query: world.faults.planned.clear(),
            ("GET", "events"): self.events,
            ("GET", "state"): lambda path, given, query: world.state(),
            ("GET", "metrics"): lambda path, given, query: world.metrics(),
        }

    def call(self, method, path, given, query):
        """What the request gives, to be JSON. path: what follows /_control/, by slashes."""
        if path[0] in SERVICES and method == "POST" and len(path) == 2:
            return self.world.control_call(path[0], path[1], given or {})
        if (method, path[0]) not in self.calls:
            raise Refused("Control", "no such control call: %s %s" % (method, path[0]))
        with self.world.lock:
            return self.calls[method, path[0]](path[1:], given, query)

    def launch(self, path, given, query):
        fleet = self.world.fleet
        group = self.world.services["autoscaling"].group(given["group"])
        instance_id = given.get("instance")
        if fleet.find(instance_id)[1]:
            raise Refused("Control", "is there already: " + instance_id)
        fleet.set_desired(group, group.desired + 1, "control")
        group.maximum = max(group.maximum, group.desired)
        instance = fleet.launch(group, self.world.now(), instance_id, cause="control")
        self.world.tick()
        return {"instance": instance.id}

    def instance(self, path, given, query):
        self.world.fleet.trees[path[0]] = given["imds"]
        self.world.tick()

    def target(self, path, given, query):
        group = next(each for each in self.world.services["elasticloadbalancing"].groups.values()
                     if each.name == given["group"])
        for (target_id, _), target in group.targets.items():
            if target_id == given["id"]:
                target.failing = not given["healthy"]

    def settings(self, path, given, query):
        if set(given) - SETTINGS:
            raise Refused("Control", "not a setting: %s" % (set(given) - SETTINGS))
        self.world.fleet.settings.update(given)

    def events(self, path, given, query):
        after = int(query.get("after", 0))
        end = time.monotonic() + min(float(query.get("wait", 0)), WAIT_SECONDS)
        while True:
            found = [event for event in self.world.fleet.events if event["number"] > after]
            left = end - time.monotonic()
            if found or left <= 0:
                return found
            self.world.lock.wait(left)
