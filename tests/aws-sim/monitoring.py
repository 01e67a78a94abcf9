# SPDX-License-Identifier: Apache-2.0
"""
The actions of Amazon CloudWatch (API version 2010-08-01) that have to do with metrics.

A metric is its namespace, name, dimensions (all of them: another set is another metric) and unit.
What is kept of it are statistic sets, one for each second if it was published at StorageResolution
1, otherwise one for each minute.

Sources: PutMetricData, MetricDatum, StatisticSet, Dimension, GetMetricStatistics and ListMetrics of
the Amazon CloudWatch API Reference; "CloudWatch service quotas". Stricter than AWS is known to be:
a statistic set has to be possible (a count above zero, Minimum ≤ Sum / SampleCount ≤ Maximum), and
the limit of 1 MB holds for a body in gzip also when it is inflated.
"""
import math

from model import Refused

METRICS_MAX = 1000  # of one PutMetricData
BODY_MAX = 1 << 20  # bytes of one, as it comes and when it is inflated
VALUES_MAX = 150
PAST_SECONDS = 14 * 86400
FUTURE_SECONDS = 2 * 3600
VALUE_MAX = 2.0 ** 360
POINTS_MAX = 1440
PERIODS = (1, 5, 10, 30)
TOLERANCE = 1e-6  # of a mean against its bounds: sums are rounded when they are printed


def invalid(message):
    return Refused("InvalidParameterValue", message)


class StatisticSet:
    def __init__(self, count=0.0, total=0.0, low=math.inf, high=-math.inf):
        self.count, self.total, self.low, self.high = count, total, low, high

    def add(self, other):
        self.count += other.count
        self.total += other.total
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)

    def get(self, statistic):
        return {"SampleCount": self.count, "Sum": self.total, "Minimum": self.low,
                "Maximum": self.high, "Average": self.total / self.count}[statistic]


def metric_key(namespace, name, dimensions):
    return namespace, name, tuple(sorted((each["Name"], each["Value"]) for each in dimensions))


def datum_check(path, datum, now):
    """Refuses what the shapes allow, and CloudWatch does not."""
    for i, each in enumerate(datum.get("Dimensions", []), 1):
        for part in ("Name", "Value"):
            if not each[part].isascii() or not each[part].strip() or \
                    any(ord(char) < 32 for char in each[part]):
                raise invalid("The value %s for parameter %s.Dimensions.member.%d.%s is invalid." %
                              (each[part], path, i, part))
        if each["Name"].startswith(":"):
            raise invalid("The value %s for parameter %s.Dimensions.member.%d.Name is invalid." %
                          (each["Name"], path, i))
    names = [each["Name"] for each in datum.get("Dimensions", [])]
    if len(set(names)) != len(names):
        raise invalid("No duplicate dimension names are allowed in %s." % path)
    if datum.get("StorageResolution", 60) not in (1, 60):
        raise invalid("The value %s for parameter %s.StorageResolution is invalid." %
                      (datum["StorageResolution"], path))
    age = now - datum["Timestamp"].timestamp() if "Timestamp" in datum else 0
    if age > PAST_SECONDS:
        raise invalid("The parameter %s.Timestamp must specify a time no more than two weeks in "
                      "the past." % path)
    if age < -FUTURE_SECONDS:
        raise invalid("The parameter %s.Timestamp must specify a time no more than two hours in "
                      "the future." % path)


def number_check(path, value):
    if not math.isfinite(value) or abs(value) > VALUE_MAX:
        raise invalid("The value %s for parameter %s is invalid." % (value, path))


def datum_statistics(path, datum):
    """The statistic set of a datum, in whichever of three ways it has it."""
    given = [name for name in ("Value", "Values", "StatisticValues") if name in datum]
    if len(given) > 1:
        raise Refused("InvalidParameterCombination", "The parameters %s are mutually exclusive and "
                      "you have specified both." %
                      " and ".join("%s.%s" % (path, name) for name in given))
    if not given:
        raise Refused("MissingParameter", "At least one of the parameters must be specified.")
    if "StatisticValues" in datum:
        values = datum["StatisticValues"]
        for name, value in values.items():
            number_check("%s.StatisticValues.%s" % (path, name), value)
        one = StatisticSet(values["SampleCount"], values["Sum"], values["Minimum"],
                           values["Maximum"])
        slack = TOLERANCE * max(1.0, abs(one.low), abs(one.high))
        if one.count <= 0 or not (one.low - slack <= one.total / one.count <= one.high + slack):
            raise invalid("The value of %s.StatisticValues is impossible: %s" % (path, values))
        return one
    if "Value" in datum:
        number_check(path + ".Value", datum["Value"])
        return StatisticSet(1, datum["Value"], datum["Value"], datum["Value"])
    counts = datum.get("Counts", [1] * len(datum["Values"]))
    if len(counts) != len(datum["Values"]) or not 0 < len(counts) <= VALUES_MAX:
        raise invalid("The parameters %s.Values and %s.Counts must be of the same size, from 1 to "
                      "%d." % (path, path, VALUES_MAX))
    one = StatisticSet()
    for value, count in zip(datum["Values"], counts):
        number_check(path + ".Values", value)
        number_check(path + ".Counts", count)
        one.add(StatisticSet(count, value * count, value, value))
    return one


class Monitoring:
    def __init__(self, world):
        self.world = world
        self.metrics = {}  # key: {(unit, second, resolution): StatisticSet}

    def PutMetricData(self, p):
        if p["Namespace"].startswith("AWS/") and not self.world.in_control:
            raise invalid("The value AWS/ for parameter Namespace is invalid.")
        if len(p["MetricData"]) > METRICS_MAX:
            raise invalid("The collection MetricData must not have a size greater than %d." %
                          METRICS_MAX)
        if not p["MetricData"]:
            raise Refused("MissingParameter", "The parameter MetricData is required.")
        now, taken = self.world.wall(), []
        for i, datum in enumerate(p["MetricData"], 1):
            path = "MetricData.member.%d" % i
            datum_check(path, datum, now)
            taken.append((datum, datum_statistics(path, datum)))
        for datum, statistics in taken:  # all of them, or none
            resolution = datum.get("StorageResolution", 60)
            second = int(datum["Timestamp"].timestamp() if "Timestamp" in datum else now)
            key = metric_key(p["Namespace"], datum["MetricName"], datum.get("Dimensions", []))
            points = self.metrics.setdefault(key, {})
            point = datum.get("Unit", "None"), second - second % resolution, resolution
            points.setdefault(point, StatisticSet()).add(statistics)

    def series(self, key, start, end, period, unit=None):
        """Statistic sets of a metric from start to before end: {(unit, start of period): …}."""
        joined = {}
        for (its_unit, second, resolution), statistics in self.metrics.get(key, {}).items():
            if start <= second < end and unit in (None, its_unit) and \
                    (period >= 60 or resolution == 1):
                begin = second - (second - start) % period
                joined.setdefault((its_unit, begin), StatisticSet()).add(statistics)
        return joined

    def GetMetricStatistics(self, p):
        period = p["Period"]
        if period % 60 and period not in PERIODS or period <= 0:
            raise invalid("The parameter Period must be 1, 5, 10, 30 or a multiple of 60")
        if "Statistics" not in p:
            raise Refused("MissingParameter" if "ExtendedStatistics" not in p else
                          "InvalidParameterValue", "The parameter Statistics is required.")
        start, end = (int(p[name].timestamp()) for name in ("StartTime", "EndTime"))
        if start >= end:
            raise Refused("InvalidParameterCombination", "The parameter StartTime must be less "
                          "than the parameter EndTime.")
        if (end - start) / period > POINTS_MAX:
            raise Refused("InvalidParameterCombination", "You have requested up to %d datapoints, "
                          "which exceeds the limit of %d." % ((end - start) // period, POINTS_MAX))
        start -= start % min(period, 60)
        key = metric_key(p["Namespace"], p["MetricName"], p.get("Dimensions", []))
        points = self.series(key, start, end, period, p.get("Unit"))
        return {"Label": p["MetricName"], "Datapoints": [
            dict({name: one.get(name) for name in p["Statistics"]}, Timestamp=when, Unit=unit)
            for (unit, when), one in sorted(points.items())]}

    def ListMetrics(self, p):
        wanted = p.get("Dimensions", [])
        return {"Metrics": [
            {"Namespace": namespace, "MetricName": name,
             "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions]}
            for namespace, name, dimensions in self.metrics
            if p.get("Namespace", namespace) == namespace and p.get("MetricName", name) == name
            and all(any(each["Name"] == key and each.get("Value", value) == value
                        for key, value in dimensions) for each in wanted)]}
