# SPDX-License-Identifier: Apache-2.0
"""
All that the simulator keeps, behind one lock, and the clock by which it moves.

Durations run at `speed` times the wall's clock (hooks' heartbeats, grace periods, deregistration
delays, creation policies); timestamps, signatures, credentials and the periods of metrics are the
wall's, because clients have that clock too.
"""
import math
import threading
import time

from autoscaling import AutoScaling
from balancing import Balancing
from cloudformation import CloudFormation
from faults import Faults
from lifecycle import Fleet
from model import Refused, form_make, operation_find, request_parse
from monitoring import Monitoring, metric_key
from signature import Credentials

TICK_SECONDS = 0.02


class World:
    def __init__(self, region, speed=1.0):
        self.region, self.speed = region, speed
        self.lock = threading.Condition(threading.RLock())
        self.in_control = False  # whether the call at work came by the control API
        self.credentials, self.faults = Credentials(), Faults()
        self.fleet = Fleet(region)
        self.services = {
            "monitoring": Monitoring(self),
            "autoscaling": AutoScaling(self),
            "cloudformation": CloudFormation(self),
            "elasticloadbalancing": Balancing(self),
        }
        self.fleet.listeners.append(lambda event: self.lock.notify_all())

    def now(self):
        """Seconds of the simulator's own clock."""
        return time.monotonic() * self.speed

    def wall(self):
        return time.time()

    def call(self, service, operation, parameters, in_control=False):
        """Carries an action out; gives the members of its answer."""
        method = getattr(self.services[service], operation.name, None)
        if method is None:
            raise Refused("InvalidAction", "aws-sim has no %s" % operation.name, 501)
        with self.lock:
            self.in_control = in_control
            members = method(parameters)
            self.tick()
            return members

    def control_call(self, service, action, parameters):
        """The same for parameters in JSON, by way of the form that botocore makes of them."""
        fields = form_make(operation_find(service, action), parameters)
        return self.call(service, *request_parse(service, fields), in_control=True)

    # -- what happens by itself --

    def tick(self):
        with self.lock:
            now = self.now()
            self.track()
            self.fleet.tick(now)
            self.services["cloudformation"].tick(now)
            self.services["elasticloadbalancing"].tick(now)

    def track(self):
        wall, now = self.wall(), self.now()
        for group in self.fleet.groups.values():
            due = [each for each in group.policies.values() if each.due(wall)]
            if not due or "AlarmNotification" in group.suspended:
                continue
            there = [each for each in group.counted()]
            wanted = []
            for policy in due:
                warm = sum(each.state == "InService" and
                           now - each.in_service >= (policy.warmup or 0) for each in there)
                wanted.append(policy.evaluate(wall, self.points(policy, wall), group.desired,
                                              warm, len(there) - warm))
            desired = max(group.minimum, min(group.maximum, max(wanted)))
            if desired != group.desired:
                self.fleet.set_desired(group, desired, "target tracking")

    def points(self, policy, wall):
        """What a policy's metric has been: {start of the period: value}."""
        metric, period = policy.metric, policy.period
        end = math.floor(wall / period) * period
        key = metric_key(metric["Namespace"], metric["MetricName"], metric.get("Dimensions", []))
        points = self.services["monitoring"].series(key, end - policy.span(), end, period,
                                                    metric.get("Unit"))
        return {start: one.get(metric["Statistic"]) for (_, start), one in points.items()}

    def run(self):
        while True:
            self.tick()
            time.sleep(TICK_SECONDS)

    # -- what a test may see --

    def state(self):
        with self.lock:
            now = self.now()
            return {
                "groups": {group.name: {
                    "desired": group.desired, "min": group.minimum, "max": group.maximum,
                    "instances": {each.id: {
                        "state": each.state, "target": each.target, "healthy": each.healthy,
                        "zone": each.zone, "actions": {
                            action.hook.name: {"token": action.token,
                                               "seconds": action.deadline - now}
                            for action in each.actions}}
                        for each in group.instances.values()},
                    "policies": {policy.name: {alarm.name: alarm.state for alarm in
                                               (policy.high, policy.low)}
                                 for policy in group.policies.values()}}
                    for group in self.fleet.groups.values()},
                "stacks": {stack.name: {
                    "status": stack.status,
                    "resources": {each.name: {"status": each.status, "signals": each.signals}
                                  for each in stack.resources.values()}}
                    for stack in self.services["cloudformation"].stacks.values()},
                "targetGroups": {group.name: {
                    "arn": group.arn, "targets": {"%s:%d" % key: self.services[
                        "elasticloadbalancing"].health(group, target)[0]
                        for key, target in group.targets.items()}}
                    for group in self.services["elasticloadbalancing"].groups.values()},
            }

    def metrics(self):
        """Every statistic set that was taken, flat."""
        with self.lock:
            return [{"namespace": key[0], "name": key[1], "dimensions": dict(key[2]),
                     "unit": unit, "time": second, "resolution": resolution, "count": one.count,
                     "sum": one.total, "min": one.low, "max": one.high}
                    for key, points in self.services["monitoring"].metrics.items()
                    for (unit, second, resolution), one in sorted(points.items())]
