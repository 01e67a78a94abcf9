#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
The decisions of aws-sim, by vectors: alarms and target tracking (tracking.py), hooks' times
(lifecycle.py), statistic sets (replay, and the agent's own code in its place), and what react
prints of them.
"""
import importlib.machinery
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
SIM = os.path.join(HERE, "aws-sim")
REPLAY = os.path.join(os.environ.get("BUILD", os.path.join(HERE, "..", "build")),
                      "tests/fleet/replay")  # the agent's own code
sys.dont_write_bytecode = True
sys.path.insert(0, SIM)

import tap  # noqa: E402
from lifecycle import LAUNCHING, TERMINATING, Fleet, Group, Hook  # noqa: E402
from tap import equal, ok  # noqa: E402
from tracking import Tracker, alarm_state, simulate  # noqa: E402


def alarms():
    # "Configuring how CloudWatch alarms treat missing data": three of three, range of five. 0 is
    # within the threshold, X beyond it.
    table = (
        ("0-X-X", "OK", "three real datapoints are there, one of them good"),
        ("0----", "OK", "one good one, long ago"),
        ("-----", "INSUFFICIENT_DATA", "nothing at all"),
        ("0XX-X", "ALARM", "the three newest real ones are bad"),
        ("--X--", "ALARM", "one bad one, as old as what is asked for"),
        ("----X", None, "one bad one, too new to say"),
        ("---XX", None, "two bad ones, too new to say"),
        ("XX000", "OK", "three good ones"),
        ("00XXX", "ALARM", "three bad ones"),
        ("XXXX0", "OK", "a good one after bad ones"),
    )
    for points, wanted, name in table:
        values = [None if point == "-" else "0X".index(point) for point in points]
        equal("alarm: %s: %s" % (points, name), alarm_state(values, bool, 3), wanted)


def tracker_at(values, period=10, desired=4, warm=None, warming=0, **more):
    """What a new tracker of 50 % wants after these values, one each period, all to be seen."""
    tracker = Tracker(50, period, **more)
    points = {i * period: value for i, value in enumerate(values) if value is not None}
    warm = desired if warm is None else warm
    return tracker.evaluate(len(values) * period, points, desired, warm, warming)


def decisions():
    table = (
        ("three datapoints above the target scale out, by what is above it", dict(
            values=[75] * 3), 6),
        ("two do not", dict(values=[20, 75, 75]), 4),
        ("the target itself is not above it", dict(values=[50] * 3), 4),
        ("a fraction of an instance is one", dict(values=[51] * 3), 5),
        ("the newest datapoint decides how far", dict(values=[60, 60, 100]), 8),
        ("instances that warm up are not asked for twice", dict(
            values=[100] * 3, desired=8, warm=4, warming=4), 8),
        ("and more are, if even they are not enough", dict(
            values=[100] * 3, desired=5, warm=4, warming=1), 8),
        ("35 % is not far enough below 50", dict(values=[35] * 15), 4),
        ("15 datapoints below that scale in, by one", dict(values=[10] * 15), 3),
        ("14 do not", dict(values=[40] + [10] * 14), 4),
        ("none of it while instances warm up", dict(values=[10] * 15, warm=3, warming=1), 4),
        ("nor where scale-in is off", dict(values=[10] * 15, scale_in=False), 4),
        ("a missing datapoint is replaced by one before it", dict(values=[75, 75, None, 75]), 6),
        ("no datapoints, no change", dict(values=[None] * 15), 4),
    )
    for name, case, wanted in table:
        equal("tracking: " + name, tracker_at(**case), wanted)


def in_time():
    load = [(10 * (i + 1) + 5, 10 * i, 100 if 100 <= 10 * i < 300 else 10) for i in range(100)]
    changes = simulate(load, 1000, Tracker(50, 10, warmup=60), 2, 2, 6)
    # The third datapoint, of 120, is seen at 135, and the next evaluation is at 140. The four are
    # warm at 200. From 300 on it is cold: the fifteenth, of 440, is seen at 455.
    equal("simulation: when a group grows, is held by its maximum, and shrinks",
          changes, [(140, 2, 4), (200, 4, 6), (460, 6, 5), (520, 5, 4), (580, 4, 3), (640, 3, 2)])
    load = [(60 * (i + 1) + 30, 60 * i, 100 if i >= 5 else 40) for i in range(10)]
    # The third hot datapoint, of 420, is seen at 510.
    equal("simulation: alarms of a minute are evaluated each minute",
          simulate(load, 600, Tracker(50, 60, warmup=600), 2, 1, 8), [(540, 2, 4)])


def hooks():
    def instance_of(**more):
        fleet, group = Fleet(), Group("g", 0, 1, 1, ["a"])
        fleet.groups["g"] = group
        group.hooks["h"] = Hook("h", LAUNCHING, 60, **more)
        fleet.tick(0)
        return fleet, group, next(iter(group.instances.values()))
    fleet, group, instance = instance_of(default="CONTINUE")
    fleet.tick(59.9)
    equal("hook: waits for its heartbeat timeout", instance.state, "Pending:Wait")
    fleet.tick(60)
    equal("hook: and no longer", instance.state, "InService")
    fleet, group, instance = instance_of()
    for now in range(0, 6000, 30):
        fleet.tick(now)
        instance.actions[0].beat(now)
    equal("hook: heartbeats hold it for 100 timeouts", instance.state, "Pending:Wait")
    fleet.tick(6000)
    ok("hook: and no longer, whatever is heard", instance.id not in group.instances)
    fleet, group, instance = instance_of()
    group.hooks["i"] = Hook("i", LAUNCHING, 30, default="CONTINUE")
    group.desired = 2
    fleet.tick(1)
    both = group.instances[list(group.instances)[-1]]
    equal("hook: two of them wait together", [each.hook.name for each in both.actions], ["h", "i"])
    fleet.complete(group, both, both.actions[0], "CONTINUE", 2)
    equal("hook: one of two is not enough", both.state, "Pending:Wait")
    fleet.complete(group, both, both.actions[0], "CONTINUE", 2)
    fleet.tick(2)
    equal("hook: both are", both.state, "InService")
    for name in ("j", "k"):
        group.hooks[name] = Hook(name, TERMINATING, 60)
    fleet.terminate(group, both, 3)
    fleet.tick(3)
    equal("hook: and both of a termination", len(both.actions), 2)
    fleet.complete(group, both, both.actions[0], "ABANDON", 4)
    fleet.tick(4)
    ok("hook: which ABANDON of one ends", both.id not in group.instances)


def program(name, *arguments, text=None):
    return subprocess.run([os.path.join(SIM, name), *arguments], input=text, text=True,
                          stdout=subprocess.PIPE, check=True).stdout


def sets():
    lines = ["cpu  0 0 0 0 0 0 0 0 0 0",
             "cpu  10 5 5 70 10 0 0 0 8 0",  # of 100: busy 20; guests are in user already
             "cpu  20 5 5 70 10 5 5 80 8 0",  # busy 20, steal 80
             "cpu  20 5 5 140 10 5 5 70 8 0",  # steal went backwards: tells nothing
             "cpu  20 5 5 240 10 5 5 70 8 0"]  # idle
    equal("replay: demand is utilization and steal", program(
        "replay", "2", text="\n".join(lines) + "\n").splitlines(),
          ["2 120 20 100 2 40 20 20 2 80 0 80 2", "4 0 0 0 1 0 0 0 1 0 0 0 1"])


def agents_sets():
    """The agent's arithmetic and the one here, which do not know each other."""
    react = importlib.machinery.SourceFileLoader("react", os.path.join(SIM, "react")).load_module()
    for throttled in (False, True):
        text = "\n".join(react.trace(7, throttled)[0][3500:6000]) + "\n"
        for period in "10", "60":
            ours = program(REPLAY, period, text=text).splitlines()
            ok("replay: the agent's sets of %s s are the same%s" %
               (period, ", throttled" * throttled), len(ours) == 2499 // int(period) and
               ours == program("replay", period, text=text).splitlines(), ours[:3])


def reactions():
    table = program("react", "--replay", REPLAY)
    print("".join("# %s\n" % line for line in table.splitlines()), end="")
    rows = [line.split("  ") for line in table.splitlines() if line]
    rows = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    normal, throttled = rows[2:5], rows[6:9]

    def latest(cell):
        minutes, seconds = cell.split(" … ")[1].split(":")
        return 60 * int(minutes) + int(seconds)
    ok("react: 10 s of demand scale out within a minute, before any average",
       latest(normal[0][1]) < 60 < latest(normal[1][1]) < latest(normal[2][1]), normal)
    ok("react: and scale in first, too",
       latest(normal[0][2]) < latest(normal[1][2]) < latest(normal[2][2]), normal)
    equal("react: demand does not care about credits", throttled[0], normal[0])
    equal("react: utilization of a burstable instance without credits never scales out",
          [row[1] for row in throttled[1:]], ["never", "never"])


if __name__ == "__main__":
    if not os.access(REPLAY, os.X_OK):
        tap.skip_all(REPLAY + " is not built")
    sys.exit(tap.run(alarms, decisions, in_time, hooks, sets, agents_sets, reactions))
