#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
aws-sim refuses what AWS, or botocore, would not have: requests that are wrong in one way each, by
the way that they are wrong in; and it takes ones that are right and look unusual.
"""
import datetime
import gzip
import os
import subprocess
import sys
import time
from urllib.parse import urlencode

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "aws-sim"))

import harness  # noqa: E402
from harness import client, control, error, form, logged, post, send, signed  # noqa: E402
from tap import equal, ok  # noqa: E402

ONE = "i-0123456789abcdef0"


# -- what is asked for wrongly --


def misspelt():
    complete = form("autoscaling", "CompleteLifecycleAction", AutoScalingGroupName="web",
                    LifecycleHookName="ready", InstanceId=ONE, LifecycleActionResult="CONTINUE")
    health = form("autoscaling", "SetInstanceHealth", InstanceId=ONE, HealthStatus="Healthy")
    hook = form("autoscaling", "PutLifecycleHook", AutoScalingGroupName="web",
                LifecycleHookName="ready")

    def without(fields, *names, **more):
        return dict({name: fields[name] for name in fields if name not in names}, **more)
    table = (
        ("a misspelt member", without(complete, "InstanceId", InstanceID=ONE),
         "InvalidQueryParameter"),
        ("a missing member", without(complete, "LifecycleHookName"), "ValidationError"),
        ("an empty name", dict(complete, LifecycleHookName=""), "ValidationError"),
        ("a list that begins at 0", form("autoscaling", "DescribeAutoScalingInstances", **{
            "InstanceIds.member.0": ONE}), "InvalidQueryParameter"),
        ("a list with a hole", form("autoscaling", "DescribeAutoScalingInstances", **{
            "InstanceIds.member.1": ONE, "InstanceIds.member.3": ONE}), "InvalidQueryParameter"),
        ("a list without .member", form("autoscaling", "DescribeAutoScalingInstances", **{
            "InstanceIds.1": ONE}), "InvalidQueryParameter"),
        ("a structure where a text belongs", dict(without(health, "InstanceId"), **{
            "InstanceId.member.1": ONE}), "InvalidQueryParameter"),
        ("a boolean as Python has it", dict(health, ShouldRespectGracePeriod="True"),
         "MalformedInput"),
        ("a number in words", dict(hook, HeartbeatTimeout="sixty"), "MalformedInput"),
        ("a number with a zero before it", dict(hook, HeartbeatTimeout="060"),
         "InvalidQueryParameter"),
        ("an instance ID that is too long", dict(health, InstanceId="i-0123456789abcdef01"),
         "ValidationError"),
        ("an unknown action", dict(complete, Action="CompleteLifecycle"), "InvalidAction"),
        ("an action of another service", dict(health, Action="PutMetricData"), "InvalidAction"),
        ("another version", dict(complete, Version="2010-08-01"), "InvalidAction"),
        ("no version", without(complete, "Version"), "InvalidAction"),
        ("no action", without(complete, "Action"), "MissingAction"),
        ("a member twice", (urlencode(health) + "&InstanceId=" + ONE).encode(),
         "MalformedQueryString"),
        ("a percent sign that encodes nothing", (urlencode(health) + "&x=%zz").encode(),
         "MalformedQueryString"),
        ("a byte that is not encoded", (urlencode(health) + "&x=a b").encode(),
         "MalformedQueryString"),
        ("what is not UTF-8", (urlencode(health) + "&x=%ff").encode(), "MalformedQueryString"),
    )
    for name, fields, code in table:
        equal("refused: " + name, post("autoscaling", fields), (400, code))
    equal("refused: a form that is not called one", post(
        "autoscaling", health, {"Content-Type": "text/plain"}), (400, "InvalidAction"))
    equal("taken: the same without a fault in it", post("autoscaling", form(
        "autoscaling", "DescribeAutoScalingInstances", **{"InstanceIds.member.1": ONE})),
        (200, None))


def metric(**changes):
    """A good PutMetricData with its first datum changed: None takes a member away."""
    datum = {"MetricName": "m", "Timestamp": datetime.datetime.utcnow().strftime(
        "%Y-%m-%dT%H:%M:%SZ"), "Value": "1"}
    datum.update(changes)
    return form("monitoring", "PutMetricData", Namespace="n", **{
        "MetricData.member.1." + name.replace("__", "."): value for name, value in datum.items()
        if value is not None})


def set_of(count, total, low, high):
    return {"Value": None, "StatisticValues__SampleCount": count, "StatisticValues__Sum": total,
            "StatisticValues__Minimum": low, "StatisticValues__Maximum": high}


def wrong_metrics():
    def when(seconds, text="%Y-%m-%dT%H:%M:%SZ"):
        return (datetime.datetime.utcnow() + datetime.timedelta(seconds=seconds)).strftime(text)
    many = {"MetricData.member.%d.%s" % (i, name): value for i in range(1, 1002)
            for name, value in (("MetricName", "m"), ("Value", "1"))}
    dimensions = {"Dimensions__member__%d__%s" % (i, part): "d%d" % i
                  for i in range(1, 32) for part in ("Name", "Value")}
    value, missing = "InvalidParameterValue", "MissingParameter"
    table = (
        ("NaN", metric(Value="NaN"), value),
        ("Python's nan in a set", metric(**set_of("1", "nan", "1", "1")), value),
        ("an infinite value", metric(Value="Infinity"), value),
        ("a value beyond 2^360", metric(Value="1e109"), value),
        ("a decimal comma", metric(Value="1,5"), value),
        ("a unit that is none", metric(Unit="percent"), value),
        ("a resolution other than 1 and 60", metric(StorageResolution="10"), value),
        ("no name", metric(MetricName=None), missing),
        ("no value", metric(Value=None), "MissingParameter"),
        ("value and set at once", metric(**dict(set_of("1", "1", "1", "1"), Value="1")),
         "InvalidParameterCombination"),
        ("a set without Minimum", metric(**set_of("1", "1", None, "1")), missing),
        ("a set of nothing", metric(**set_of("0", "0", "0", "0")), value),
        ("a set whose mean is above its maximum", metric(**set_of("10", "1001", "1", "100")),
         value),
        ("a dimension without value", metric(Dimensions__member__1__Name="d"), missing),
        ("an empty dimension", metric(Dimensions__member__1__Name="d",
                                      Dimensions__member__1__Value=""), value),
        ("a dimension twice", metric(
            Dimensions__member__1__Name="d", Dimensions__member__1__Value="1",
            Dimensions__member__2__Name="d", Dimensions__member__2__Value="2"), value),
        ("31 dimensions", metric(**dimensions), value),
        ("a time more than two weeks ago", metric(Timestamp=when(-14 * 86400 - 60)), value),
        ("a time more than two hours ahead", metric(Timestamp=when(7260)), value),
        ("a time in seconds since 1970", metric(Timestamp=str(int(time.time()))), value),
        ("a time without a zone", metric(Timestamp=when(0, "%Y-%m-%dT%H:%M:%S")), value),
        ("a namespace of AWS's", dict(metric(), Namespace="AWS/EC2"), value),
        ("a namespace with a colon first", dict(metric(), Namespace=":n"), value),
        ("1001 metrics", form("monitoring", "PutMetricData", Namespace="n", **many), value),
        ("no metrics", form("monitoring", "PutMetricData", Namespace="n"), missing),
    )
    before = len(control("GET", "metrics"))
    for name, fields, code in table:
        equal("refused: " + name, post("monitoring", fields), (400, code))
    equal("nothing of that was kept", len(control("GET", "metrics")), before)
    for name, fields in (("another legal time", metric(Timestamp=when(0, "%Y-%m-%dT%H:%M:%S.5Z"))),
                         ("a time with an offset", metric(Timestamp=when(0)[:-1] + "+00:00")),
                         ("a value as C prints it", metric(Value="12.500000")),
                         ("a whole number with an exponent", metric(Value="1e+02"))):
        equal("taken: " + name, post("monitoring", fields), (200, None))
    packed = gzip.compress(urlencode(metric()).encode())
    coded = {"Content-Encoding": "gzip"}
    equal("taken: a body in gzip", post("monitoring", packed, coded), (200, None))
    equal("refused: half of one", post("monitoring", packed[:-9], coded),
          (400, "MalformedQueryString"))
    equal("refused: one that is more than 1 MiB when it is inflated", post(
        "monitoring", gzip.compress(b"a=" + b"x" * (1 << 20)), coded),
        (413, "RequestEntityTooLarge"))
    equal("refused: a body above 1 MiB", post("monitoring", b"a=" + b"x" * (1 << 20)),
          (413, "RequestEntityTooLarge"))


def wrong_signatures():
    body = urlencode(form("autoscaling", "DescribeAutoScalingInstances")).encode()
    good = signed("autoscaling", body)
    mismatch = (403, "SignatureDoesNotMatch")

    def authorization(old, new):
        return dict(good, Authorization=good["Authorization"].replace(old, new))

    def by(**changes):
        return dict(harness.key, **changes)
    without_token = {name: value for name, value in harness.key.items() if name != "Token"}
    old, ended = (by(AccessKeyId="ASIAOLD", Expiration=text) for text in
                  ("2036-01-01T00:00:00Z", "2026-01-01T00:00:00Z"))
    table = (
        ("no signature", {name: value for name, value in good.items()
                          if name != "Authorization"}, (403, "MissingAuthenticationToken")),
        ("a wrong secret", signed("autoscaling", body, by(SecretAccessKey="wrong")), mismatch),
        ("an unknown key", signed("autoscaling", body, by(AccessKeyId="ASIANOBODY")),
         (403, "InvalidClientTokenId")),
        ("no token", signed("autoscaling", body, without_token), (403, "InvalidClientTokenId")),
        ("another token", signed("autoscaling", body, by(Token="other-session-token")),
         (403, "InvalidClientTokenId")),
        ("a token that is not signed", signed("autoscaling", body, leave_out=(
            "x-amz-security-token",)), mismatch),
        ("a header changed on the way", dict(good, **{"Content-Type":
                                                      "application/x-www-form-urlencoded"}),
         mismatch),
        ("another host", dict(good, Host="autoscaling.us-east-1.amazonaws.com"), mismatch),
        ("signed headers out of order", authorization("content-type;host", "host;content-type"),
         (403, "IncompleteSignature")),
        ("a signed header that is not there", authorization("content-type;host",
                                                            "accept;content-type;host"), mismatch),
        ("a host that is not signed", signed("autoscaling", body, leave_out=("host",)), mismatch),
        ("two dates", dict(good, **{"X-Amz-Date": [good["X-Amz-Date"]] * 2}),
         (403, "IncompleteSignature")),
        ("a date of no calendar", dict(good, Authorization=good["Authorization"].replace(
            good["X-Amz-Date"][:8], "20261399"), **{"X-Amz-Date": "20261399T000000Z"}),
         (403, "IncompleteSignature")),
        ("half a signature", dict(good, Authorization=good["Authorization"][:-1]),
         (403, "IncompleteSignature")),
        ("an empty scope", authorization("/aws4_request", ""), (403, "IncompleteSignature")),
        ("another region", signed("autoscaling", body, region="eu-west-1"), mismatch),
        ("another service's name", signed("ec2", body), mismatch),
        ("a service that has no such action", signed("monitoring", body), (400, "InvalidAction")),
        ("a date 16 minutes ago", signed("autoscaling", body, minutes=-16), mismatch),
        ("a date 16 minutes ahead", signed("autoscaling", body, minutes=16), mismatch),
        ("a digest of another body", signed("autoscaling", body, headers={
            "X-Amz-Content-SHA256": "0" * 64}), mismatch),
    )
    for name, headers, wanted in table:
        equal("refused: " + name, send(headers, body), wanted)
    equal("refused: a body changed on the way", send(good, body.replace(b"Auto", b"auto")),
          mismatch)
    equal("taken: a date 14 minutes ago", send(signed("autoscaling", body, minutes=-14), body),
          (200, None))
    ok("the log tells of a region that it is the region", any(
        "valid region, not 'eu-west-1'" in (each["message"] or "") for each in logged()))
    control("PUT", "credentials", old)
    scaling = client("autoscaling", old)
    equal("taken: another key, while it is good", error(scaling.describe_auto_scaling_instances),
          None)
    control("PUT", "credentials", ended)
    equal("refused: the same key when its time is over", error(
        scaling.describe_auto_scaling_instances), "ExpiredToken")
    control("DELETE", "credentials/ASIAOLD")
    equal("refused: the same key when it is taken away", error(
        scaling.describe_auto_scaling_instances), "InvalidClientTokenId")
    equal("taken: what curl signs", subprocess.run(
        ["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", "--aws-sigv4",
         "aws:amz:us-east-1:autoscaling", "--user",
         harness.key["AccessKeyId"] + ":" + harness.key["SecretAccessKey"], "-H",
         "X-Amz-Security-Token: " + harness.key["Token"], "--data", body.decode(), harness.url],
        capture_output=True, text=True).stdout, "200")


if __name__ == "__main__":
    sys.exit(harness.run(misspelt, wrong_metrics, wrong_signatures))
