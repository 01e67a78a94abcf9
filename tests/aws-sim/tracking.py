# SPDX-License-Identifier: Apache-2.0
"""
Target tracking: what capacity a group gets from a metric, as decisions over numbers. Knows no
server and no clock: the caller says what time it is, and what datapoints can be seen by then.

Target tracking makes a pair of CloudWatch alarms on the metric's average:

    AlarmHigh  above the target, HIGH_POINTS datapoints in a row: scale out
    AlarmLow   below LOW_SHARE of the target, LOW_POINTS in a row: scale in

An alarm is evaluated once a minute, with a period below a minute every 10 seconds. Datapoints that
are missing are treated as missing: alarm_state(). While an alarm is in ALARM, its policy acts at
each evaluation:

    out  to ceil(instances that are warm × metric / target), never below what is there already, so
         that instances that are still warming up are not asked for twice
    in   by one, not while one is warming up, and at most once in SCALE_IN_SECONDS

Sources: "Target tracking scaling policies for Amazon EC2 Auto Scaling" (proportional out, gradual
in, warm-up, bounds), "Create a target tracking policy using high-resolution metrics" (periods of
10, 30 and 60 seconds), "Set the default instance warmup" of the Auto Scaling User Guide; "Alarm
evaluation" and "Configuring how CloudWatch alarms treat missing data" of the CloudWatch User Guide.

Assumed, because Amazon documents no numbers: 3 and 15 datapoints and 70 % (what the alarms show
that it makes for a CPU target, 35 % for 50 %); the same counts of datapoints with periods below a
minute; alarms of 300 seconds where the metric comes every five minutes; the metric's value in the
formula is the newest datapoint; one instance a minute on the way in; an evaluation range that is
EXTRA_POINTS longer than the points it asks for, as in Amazon's examples.
"""
import math

HIGH_POINTS = 3
LOW_POINTS = 15
LOW_SHARE = 0.7
EXTRA_POINTS = 2
SCALE_IN_SECONDS = 60
ROUND_DIGITS = 6  # so that 8.000000001 instances are 8
EVALUATE_SECONDS = 60
EVALUATE_FAST_SECONDS = 10  # where the period is below a minute
OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"


def alarm_state(points, breaches, count):
    """
    The state that these datapoints put an alarm in: oldest first, None for one that is missing, the
    whole evaluation range. None: it stays as it is.
    """
    real = [(age, value) for age, value in zip(range(len(points), 0, -1), points)
            if value is not None][-count:]
    if not real:
        return INSUFFICIENT_DATA
    if not all(breaches(value) for _, value in real):
        return OK
    # Too few, and the oldest not old enough to stand for those that are missing: too early to say.
    return ALARM if len(real) == count or real[0][0] >= count else None


class Alarm:
    def __init__(self, name, breaches, count):
        self.name, self.breaches, self.count = name, breaches, count
        self.state = INSUFFICIENT_DATA

    def evaluate(self, now, points, period):
        last = math.floor(now / period) * period - period  # the newest that is complete
        span = [points.get(last - i * period) for i in
                range(self.count + EXTRA_POINTS - 1, -1, -1)]
        self.state = alarm_state(span, self.breaches, self.count) or self.state
        return self.state


class Tracker:
    """One policy."""

    def __init__(self, target, period, scale_in=True, warmup=None):
        self.target, self.period, self.scale_in, self.warmup = target, period, scale_in, warmup
        self.high = Alarm("High", lambda value: value > target, HIGH_POINTS)
        self.low = Alarm("Low", lambda value: value < target * LOW_SHARE, LOW_POINTS)
        self.every = EVALUATE_SECONDS if period >= 60 else EVALUATE_FAST_SECONDS
        self.evaluated = -math.inf  # when it was last
        self.scaled_in = -math.inf

    def span(self):
        """How far back, in seconds, datapoints are looked at."""
        return (max(self.high.count, self.low.count) + EXTRA_POINTS + 1) * self.period

    def due(self, now):
        return math.floor(now / self.every) != self.evaluated

    def evaluate(self, now, points, desired, warm, warming=0):
        """
        The capacity that is wanted now. points: {start of the period: average}, with start a
        multiple of the period; warm and warming: how many instances are in service and past, or
        in, their warm-up (or not in service yet). The caller bounds what comes out.
        """
        self.evaluated = math.floor(now / self.every)
        high = self.high.evaluate(now, points, self.period)
        low = self.low.evaluate(now, points, self.period)
        if high == ALARM:
            newest = points[max(start for start in points if start + self.period <= now)]
            return max(desired, math.ceil(round(warm * newest / self.target, ROUND_DIGITS)))
        if low == ALARM and self.scale_in and not warming and \
                now - self.scaled_in >= SCALE_IN_SECONDS:
            self.scaled_in = now
            return desired - 1
        return desired


def alarms_of(tracker):
    return tracker.high, tracker.low


def simulate(seen, end, tracker, desired, minimum, maximum):
    """
    The changes of the desired capacity from second 0 to end: [(second, from, to)]. seen is a list
    of (second from which it can be seen, start of its period, average), by the first. Instances
    are in service, and warm, tracker.warmup seconds after they were asked for.
    """
    changes, points, i = [], {}, 0
    ready = [(-math.inf, desired)]  # (second, how many are warm from then on)
    for now in range(end):
        while i < len(seen) and seen[i][0] <= now:
            points[seen[i][1]] = seen[i][2]
            i += 1
        if not tracker.due(now):
            continue
        warm = min(desired, [count for when, count in ready if when <= now][-1])
        wanted = tracker.evaluate(now, points, desired, warm, desired - warm)
        wanted = max(minimum, min(maximum, wanted))
        if wanted != desired:
            changes.append((now, desired, wanted))
            ready.append((now + (tracker.warmup or 0), wanted))
            desired = wanted
    return changes
