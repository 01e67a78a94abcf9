# SPDX-License-Identifier: Apache-2.0
"""
What is to go wrong. A fault is a JSON object:

    {"action": "PutMetricData"}   which actions: a name with * and ?, or service:Action; default *
    "fault": "throttle"           HTTP 400, Throttling
             "unavailable"        HTTP 503, ServiceUnavailable
             "error"              "status", "code" and "message" as given
             "delay"              an answer, after "seconds"
             "reset"              the connection ends with a reset; nothing was done
             "lost"               it was done, and then the connection ends without an answer
    "count": 3                    the next three calls only; default: until it is taken away
    "rate": 2, "burst": 4         (throttle) only what is above 2 calls a second, after 4 at once;
                                  burst defaults to the rate, or 1

The first fault that fits a call is the one it gets.

Source of the throttle: a token bucket, as "Request throttling for the Amazon EC2 API" describes it;
Throttling with HTTP 400 and "Rate exceeded" is what these services answer.
"""
import fnmatch
import time

from model import Refused

KINDS = ("throttle", "unavailable", "error", "delay", "reset", "lost")
KEYS = {"action", "fault", "status", "code", "message", "seconds", "count", "rate", "burst"}


class Fault:
    def __init__(self, description):
        if description.get("fault") not in KINDS or set(description) - KEYS:
            raise ValueError("not a fault: %s" % description)
        self.kind, self.d = description["fault"], description
        self.left = description.get("count")
        self.rate = description.get("rate")
        self.tokens = self.burst = description.get("burst", max(1, self.rate or 1))
        self.filled = time.monotonic()

    def fits(self, service, action):
        pattern = self.d.get("action", "*")
        return self.left != 0 and (fnmatch.fnmatchcase(action, pattern) or
                                   fnmatch.fnmatchcase("%s:%s" % (service, action), pattern))

    def spend(self):
        """Whether this call is one that goes wrong."""
        if self.left is not None:
            self.left -= 1
        if self.rate is None:
            return True
        now = time.monotonic()
        self.tokens = min(self.burst, self.tokens + (now - self.filled) * self.rate)
        self.filled = now
        if self.tokens < 1:
            return True
        self.tokens -= 1
        return False

    def refuse(self):
        """Raises what it answers, if it answers an error."""
        if self.kind == "throttle":
            raise Refused("Throttling", "Rate exceeded")
        if self.kind == "unavailable":
            raise Refused("ServiceUnavailable",
                          "The request has failed due to a temporary failure of the server.", 503)
        if self.kind == "error":
            raise Refused(self.d.get("code", "InternalFailure"), self.d.get("message", ""),
                          self.d.get("status", 500))


class Faults:
    def __init__(self):
        self.planned = []

    def add(self, descriptions):
        if isinstance(descriptions, dict):
            descriptions = [descriptions]
        self.planned += [Fault(each) for each in descriptions]

    def take(self, service, action):
        for fault in self.planned:
            if fault.fits(service, action):
                return fault if fault.spend() else None
        return None
