#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
aws-sim is AWS as far as clients can tell that nobody here wrote: the AWS CLI, botocore and curl's
signer do what an agent does, and get what the API references say. And it refuses what AWS, or
botocore, would not have: each request that is wrong in one way, by the way it is wrong in.
"""
import datetime
import gzip
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from urllib.parse import urlencode, urlsplit

HERE = os.path.dirname(os.path.realpath(__file__))
SIM = os.path.join(HERE, "..", "aws-sim", "aws-sim")
TREE_MAKE = os.path.join(HERE, "..", "imds-sim", "tree-make")
AWS = "/usr/bin/aws"  # the distribution's
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(SIM))

import tap  # noqa: E402
from tap import equal, ok  # noqa: E402

try:
    import botocore.auth
    import botocore.awsrequest
    import botocore.config
    import botocore.credentials
    import botocore.exceptions
    import botocore.session
except ImportError:
    tap.skip_all("python3-botocore is not installed")

REGION, GROUP = "us-east-1", "web"
ONE = "i-0123456789abcdef0"
SPEED = 20
UP, DOWN = "autoscaling:EC2_INSTANCE_LAUNCHING", "autoscaling:EC2_INSTANCE_TERMINATING"
VERSIONS = {"monitoring": "2010-08-01", "autoscaling": "2011-01-01",
            "cloudformation": "2010-05-15", "elasticloadbalancing": "2015-12-01"}
work = url = key = None


# -- the simulator, and its clients --


def start(*options):
    global url
    name = os.path.join(work, "url")
    sim = subprocess.Popen([SIM, "--ports-file", name, "--log", os.path.join(work, "log"),
                            *options], stdout=subprocess.DEVNULL)
    wait_until(lambda: os.path.exists(name))
    with open(name) as file:
        url = file.read().strip()
    return sim


def wait_until(true, seconds=5):
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


def control(method, path, given=None):
    request = urllib.request.Request(url + "/_control/" + path, method=method,
                                     data=None if given is None else json.dumps(given).encode())
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def do(service, action, **parameters):
    return control("POST", service + "/" + action, parameters)


def client(service, credential=None, attempts=1):
    credential = credential or key
    return botocore.session.Session().create_client(
        service, region_name=REGION, endpoint_url=url,
        aws_access_key_id=credential["AccessKeyId"],
        aws_secret_access_key=credential["SecretAccessKey"],
        aws_session_token=credential.get("Token"),
        config=botocore.config.Config(retries={"total_max_attempts": attempts,
                                               "mode": "standard"}))


def error(call, **parameters):
    """The code of the error that a call of botocore's ends with, or None."""
    try:
        call(**parameters)
    except botocore.exceptions.ClientError as raised:
        return raised.response["Error"]["Code"]
    return None


def aws(*arguments):
    """What the AWS CLI prints, as JSON, or the code of the error it tells of."""
    environment = {"PATH": os.environ["PATH"], "HOME": work, "AWS_REGION": REGION,
                   "AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_MAX_ATTEMPTS": "1",
                   "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
                   "AWS_SESSION_TOKEN": key["Token"]}
    done = subprocess.run([AWS, "--endpoint-url", url, "--output", "json", *arguments],
                          env=environment, capture_output=True, text=True)
    if done.returncode:
        return done.stderr.partition("(")[2].partition(")")[0] or done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


class Signer(botocore.auth.SigV4Auth):
    """botocore's, at any time."""

    def add_auth_at(self, request, when):
        request.context["timestamp"] = when.strftime("%Y%m%dT%H%M%SZ")
        self._modify_request_before_signing(request)
        self._inject_signature_to_request(
            request, self.signature(self.string_to_sign(request, self.canonical_request(request)),
                                    request))


def signed(service, body, credential=None, region=REGION, minutes=0, headers=()):
    """The headers of a POST of this body, as botocore signs it."""
    credential = credential or key
    request = botocore.awsrequest.AWSRequest("POST", url + "/", data=body, headers={
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
        "Host": urlsplit(url).netloc, **dict(headers)})
    Signer(botocore.credentials.Credentials(
        credential["AccessKeyId"], credential["SecretAccessKey"], credential.get("Token")),
        service, region).add_auth_at(request, datetime.datetime.utcnow() +
                                     datetime.timedelta(minutes=minutes))
    return dict(request.headers.items())


def send(headers, body, method="POST", path="/"):
    """(status, code of the error or None)"""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, values in headers.items():
        for value in values if isinstance(values, list) else [values]:
            connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text.partition("<Code>")[2].partition("</Code>")[0] or None


def form(service, action, **fields):
    return dict({"Action": action, "Version": VERSIONS[service]}, **fields)


def post(service, fields, headers=()):
    body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
    return send(signed(service, body, headers=headers), body)


def logged():
    with open(os.path.join(work, "log")) as file:
        return [json.loads(line) for line in file]


def lifecycle(instance_id=ONE):
    instances = control("GET", "state")["groups"][GROUP]["instances"]
    return instances[instance_id]["state"] if instance_id in instances else None


def target_file(instance_id=ONE):
    with open(os.path.join(work, "imds", instance_id,
                           "meta-data/autoscaling/target-lifecycle-state")) as file:
        return file.read()


# -- what is asked for rightly --


def group_and_instance():
    do("autoscaling", "CreateAutoScalingGroup", AutoScalingGroupName=GROUP, MinSize=0, MaxSize=4,
       HealthCheckGracePeriod=7200, LaunchTemplate={"LaunchTemplateName": "web"})
    do("autoscaling", "PutLifecycleHook", AutoScalingGroupName=GROUP, LifecycleHookName="ready",
       LifecycleTransition=UP, HeartbeatTimeout=1200)
    do("autoscaling", "PutLifecycleHook", AutoScalingGroupName=GROUP, LifecycleHookName="drain",
       LifecycleTransition=DOWN, HeartbeatTimeout=1200, DefaultResult="CONTINUE")
    subprocess.run([TREE_MAKE, os.path.join(work, "imds", ONE), "--instance-id", ONE], check=True)
    os.remove(os.path.join(work, "imds", ONE, "meta-data/autoscaling/target-lifecycle-state"))
    equal("an instance is launched under the ID that is asked for",
          control("POST", "launch", {"group": GROUP, "instance": ONE}), {"instance": ONE})


def cli_autoscaling():
    action = ("--auto-scaling-group-name", GROUP, "--lifecycle-hook-name", "ready",
              "--instance-id", ONE)
    complete = ("autoscaling", "complete-lifecycle-action", *action,
                "--lifecycle-action-result", "CONTINUE")
    described = aws("autoscaling", "describe-auto-scaling-instances", "--instance-ids", ONE)
    equal("AWS CLI: the instance waits for its launch hook",
          [(each["AutoScalingGroupName"], each["LifecycleState"])
           for each in described["AutoScalingInstances"]], [(GROUP, "Pending:Wait")])
    hooks = aws("autoscaling", "describe-lifecycle-hooks", "--auto-scaling-group-name", GROUP)
    equal("AWS CLI: hooks are described, with their global timeout (100 heartbeats)",
          [(hook["LifecycleHookName"], hook["LifecycleTransition"], hook["HeartbeatTimeout"],
            hook["GlobalTimeout"], hook["DefaultResult"]) for hook in hooks["LifecycleHooks"]],
          [("ready", UP, 1200, 120000, "ABANDON"), ("drain", DOWN, 1200, 120000, "CONTINUE")])

    def left():
        return control("GET", "state")["groups"][GROUP]["instances"][ONE]["actions"]["ready"][
            "seconds"]
    before = left()
    equal("AWS CLI: a heartbeat is taken", aws("autoscaling", "record-lifecycle-action-heartbeat",
                                               *action), None)
    ok("a heartbeat begins the hook's time anew", left() > before, (before, left()))
    equal("AWS CLI: a launch is completed", aws(*complete), None)
    equal("then the instance is in service", lifecycle(), "InService")
    equal("AWS CLI: what is completed already is a ValidationError", aws(*complete),
          "ValidationError")
    equal("metadata: the target state of a launch is InService", target_file(), "InService")


def cli_monitoring():
    now = int(time.time()) - 120
    datum = {"MetricName": "demand", "Unit": "Percent", "StorageResolution": 1, "Timestamp": now,
             "Dimensions": [{"Name": "AutoScalingGroupName", "Value": GROUP}],
             "StatisticValues": {"SampleCount": 10, "Sum": 615.5, "Minimum": 12.25,
                                 "Maximum": 100}}
    equal("AWS CLI: a statistic set is taken",
          aws("cloudwatch", "put-metric-data", "--namespace", "instanced", "--metric-data",
              json.dumps([datum, dict(datum, Timestamp=now + 10)])), None)
    series = ("cloudwatch", "get-metric-statistics", "--namespace", "instanced", "--metric-name",
              "demand", "--start-time", str(now - 300), "--end-time", str(now + 60),
              "--statistics", "Average", "Maximum", "SampleCount", "--dimensions")
    answer = aws(*series, "Name=AutoScalingGroupName,Value=" + GROUP, "--period", "300")
    equal("AWS CLI: two sets within a period are one datapoint",
          [(each["SampleCount"], each["Average"], each["Maximum"], each["Unit"])
           for each in answer["Datapoints"]] or answer, [(20, 61.55, 100, "Percent")])
    answer = aws(*series, "Name=InstanceId,Value=" + ONE, "--period", "300")
    equal("other dimensions are another metric", answer["Datapoints"], [])
    equal("ListMetrics names it", [each["MetricName"] for each in client("cloudwatch").list_metrics(
        Namespace="instanced")["Metrics"]], ["demand"])


def cli_targets():
    made = do("elasticloadbalancing", "CreateTargetGroup", Name="web", Protocol="HTTP", Port=80,
              VpcId="vpc-1", HealthCheckIntervalSeconds=5)
    arn = made["TargetGroups"][0]["TargetGroupArn"]
    do("elasticloadbalancing", "ModifyTargetGroupAttributes", TargetGroupArn=arn, Attributes=[
        {"Key": "deregistration_delay.timeout_seconds", "Value": "40"}])
    elb = client("elbv2")

    def health():
        described = elb.describe_target_health(TargetGroupArn=arn, Targets=[{"Id": ONE}])
        return described["TargetHealthDescriptions"][0]["TargetHealth"]["State"]
    equal("a target that nobody registered is unused", health(), "unused")
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": ONE, "Port": 80}])
    equal("one that was registered is initial", health(), "initial")
    ok("and healthy after a check", wait_until(lambda: health() == "healthy"))
    control("PUT", "targets", {"group": "web", "id": ONE, "healthy": False})
    equal("or unhealthy, if that is what checks find", health(), "unhealthy")
    equal("AWS CLI: deregister-targets", aws("elbv2", "deregister-targets", "--target-group-arn",
                                             arn, "--targets", "Id=" + ONE), None)
    described = aws("elbv2", "describe-target-health", "--target-group-arn", arn)
    equal("AWS CLI: the target is draining",
          [(each["Target"]["Id"], each["TargetHealth"]["State"], each["TargetHealth"]["Reason"])
           for each in described["TargetHealthDescriptions"]],
          [(ONE, "draining", "Target.DeregistrationInProgress")])
    ok("and unused after deregistration_delay", wait_until(lambda: health() == "unused"))
    try:
        elb.describe_target_health(TargetGroupArn=arn + "0")
        ok("botocore knows TargetGroupNotFound for what it is", False)
    except elb.exceptions.TargetGroupNotFoundException:
        ok("botocore knows TargetGroupNotFound for what it is", True)


def cli_stacks():
    template = {"Resources": {"Web": {
        "Type": "AWS::AutoScaling::AutoScalingGroup",
        "CreationPolicy": {"ResourceSignal": {"Count": 2, "Timeout": "PT1H"}}}}}
    for name in ("good", "bad"):
        do("cloudformation", "CreateStack", StackName=name, TemplateBody=json.dumps(template))
    do("cloudformation", "CreateStack", StackName="late", TemplateBody=json.dumps(template).replace(
        "PT1H", "PT1S"))

    def signal(stack, unique, status):
        return ("cloudformation", "signal-resource", "--stack-name", stack,
                "--logical-resource-id", "Web", "--unique-id", unique, "--status", status)

    def status(stack):
        return control("GET", "state")["stacks"][stack]["status"]
    equal("AWS CLI: signal-resource", aws(*signal("good", ONE, "SUCCESS")), None)
    equal("one signal of two is not enough", status("good"), "CREATE_IN_PROGRESS")
    equal("AWS CLI: the same again is a ValidationError", aws(*signal("good", ONE, "SUCCESS")),
          "ValidationError")
    stacks = client("cloudformation")
    call = {"LogicalResourceId": "Web", "UniqueId": "i-2", "Status": "SUCCESS"}
    stacks.signal_resource(StackName="good", **call)
    equal("two of different instances are", status("good"), "CREATE_COMPLETE")
    stacks.signal_resource(StackName="bad", **dict(call, Status="FAILURE"))
    equal("one FAILURE fails the stack", status("bad"), "CREATE_FAILED")
    ok("and so does the policy's time", wait_until(lambda: status("late") == "CREATE_FAILED"))
    equal("a stack that is complete takes no signal",
          error(stacks.signal_resource, StackName="good", **dict(call, UniqueId="i-3")),
          "ValidationError")
    equal("nor one that is not there", error(stacks.signal_resource, StackName="none", **call),
          "ValidationError")


def terminations():
    scaling = client("autoscaling")
    drain = {"AutoScalingGroupName": GROUP, "LifecycleHookName": "drain", "InstanceId": ONE}
    scaling.set_instance_health(InstanceId=ONE, HealthStatus="Unhealthy")
    time.sleep(0.1)
    equal("an unhealthy instance is kept within its grace period", lifecycle(), "InService")
    equal("the wrong hook's action is not there", error(
        scaling.complete_lifecycle_action, LifecycleActionResult="CONTINUE", **drain),
          "ValidationError")
    scaling.set_instance_health(InstanceId=ONE, HealthStatus="Unhealthy",
                                ShouldRespectGracePeriod=False)
    ok("without respect to that it is terminated, and waits for the hook",
       wait_until(lambda: lifecycle() == "Terminating:Wait"), lifecycle())
    equal("metadata: the target state is Terminated", target_file(), "Terminated")
    ok("another one is launched in its place", wait_until(
        lambda: len(control("GET", "state")["groups"][GROUP]["instances"]) == 2))
    equal("a result other than CONTINUE and ABANDON is refused", error(
        scaling.complete_lifecycle_action, LifecycleActionResult="DONE", **drain),
          "ValidationError")
    scaling.complete_lifecycle_action(LifecycleActionResult="CONTINUE", **drain)
    equal("completed, it is gone", lifecycle(), None)
    equal("and DescribeAutoScalingInstances knows it no more",
          scaling.describe_auto_scaling_instances(InstanceIds=[ONE])["AutoScalingInstances"], [])
    equal("its states were those of the User Guide",
          [each["state"] for each in control("GET", "events?after=0")
           if each["event"] == "state" and each["instance"] == ONE],
          ["Pending", "Pending:Wait", "Pending:Proceed", "InService", "Terminating",
           "Terminating:Wait", "Terminating:Proceed", "Terminated"])


# -- what is asked for wrongly --


def misspelt():
    complete = form("autoscaling", "CompleteLifecycleAction", AutoScalingGroupName=GROUP,
                    LifecycleHookName="ready", InstanceId=ONE, LifecycleActionResult="CONTINUE")
    health = form("autoscaling", "SetInstanceHealth", InstanceId=ONE, HealthStatus="Healthy")
    hook = form("autoscaling", "PutLifecycleHook", AutoScalingGroupName=GROUP,
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
                         ("a time with an offset", metric(Timestamp=when(0) [:-1] + "+00:00")),
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
        return dict(key, **changes)
    without_token = {name: value for name, value in key.items() if name != "Token"}
    old, ended = (by(AccessKeyId="ASIAOLD", Expiration=text) for text in
                  ("2036-01-01T00:00:00Z", "2026-01-01T00:00:00Z"))
    unsigned_token = dict(signed("autoscaling", body, without_token),
                          **{"X-Amz-Security-Token": key["Token"]})
    table = (
        ("no signature", {name: value for name, value in good.items()
                          if name != "Authorization"}, (403, "MissingAuthenticationToken")),
        ("a wrong secret", signed("autoscaling", body, by(SecretAccessKey="wrong")), mismatch),
        ("an unknown key", signed("autoscaling", body, by(AccessKeyId="ASIANOBODY")),
         (403, "InvalidClientTokenId")),
        ("no token", signed("autoscaling", body, without_token), (403, "InvalidClientTokenId")),
        ("another token", signed("autoscaling", body, by(Token="other-session-token")),
         (403, "InvalidClientTokenId")),
        ("a token that is not signed", unsigned_token, mismatch),
        ("a header changed on the way", dict(good, **{"Content-Type":
                                                      "application/x-www-form-urlencoded"}),
         mismatch),
        ("another host", dict(good, Host="autoscaling.us-east-1.amazonaws.com"), mismatch),
        ("signed headers out of order", authorization("content-type;host", "host;content-type"),
         (403, "IncompleteSignature")),
        ("a signed header that is not there", authorization("content-type;host",
                                                            "accept;content-type;host"), mismatch),
        ("a host that is not signed", authorization("content-type;host", "content-type"),
         mismatch),
        ("two dates", dict(good, **{"X-Amz-Date": [good["X-Amz-Date"]] * 2}),
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
    equal("refused: a body changed on the way", send(good, body.replace(b"Instances", b"instances")),
          mismatch)
    equal("taken: a date 14 minutes ago", send(signed("autoscaling", body, minutes=-14), body),
          (200, None))
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
         "aws:amz:%s:autoscaling" % REGION, "--user",
         key["AccessKeyId"] + ":" + key["SecretAccessKey"], "-H",
         "X-Amz-Security-Token: " + key["Token"], "--data", body.decode(), url],
        capture_output=True, text=True).stdout, "200")


# -- what goes wrong on purpose --


def faults():
    patient, hasty = client("autoscaling", attempts=3), client("autoscaling")
    before = len(logged())

    def since():
        return [(each["status"], each["error"], each["fault"]) for each in logged()[before:]]
    control("POST", "faults", {"action": "DescribeAuto*", "fault": "throttle", "count": 2})
    ok("botocore retries a Throttling by itself", error(
        patient.describe_auto_scaling_instances) is None)
    equal("and the log tells both of it", since(),
          [(400, "Throttling", "throttle")] * 2 + [(200, None, None)])
    before = len(logged())
    control("POST", "faults", [
        {"action": "autoscaling:DescribeAutoScalingInstances", "fault": "unavailable", "count": 1},
        {"fault": "reset", "count": 1}])
    ok("and a 503 and a reset", error(patient.describe_auto_scaling_instances) is None)
    equal("which had these ends", since(), [(503, "ServiceUnavailable", "unavailable"),
                                            (None, None, "reset"), (200, None, None)])
    control("POST", "faults", {"fault": "throttle", "rate": 2, "burst": 4})
    codes = [error(hasty.describe_auto_scaling_instances) for _ in range(8)]
    equal("a rate lets its burst pass, and no more", (codes[:4], codes[-1]),
          ([None] * 4, "Throttling"))
    control("DELETE", "faults")
    control("POST", "faults", {"fault": "delay", "seconds": 0.3, "count": 1})
    begin = time.monotonic()
    hasty.describe_auto_scaling_instances()
    ok("an answer may take its time", time.monotonic() - begin >= 0.3)
    instance_id = control("POST", "launch", {"group": GROUP})["instance"]
    control("POST", "faults", {"action": "CompleteLifecycleAction", "fault": "lost", "count": 1})
    equal("an answer that is lost: asked again, nothing is left to complete", error(
        patient.complete_lifecycle_action, AutoScalingGroupName=GROUP, LifecycleHookName="ready",
        InstanceId=instance_id, LifecycleActionResult="CONTINUE"), "ValidationError")
    equal("for it was done", lifecycle(instance_id), "InService")


# -- a group on its own --


def group_moves():
    scaling = client("autoscaling")
    name = {"AutoScalingGroupName": "own"}
    do("autoscaling", "CreateAutoScalingGroup", MinSize=1, MaxSize=10, DesiredCapacity=2,
       LaunchTemplate={"LaunchTemplateName": "web"}, **name)

    def states():
        instances = control("GET", "state")["groups"]["own"]["instances"]
        return sorted(each["state"] for each in instances.values())
    ok("a group launches what it desires", wait_until(lambda: states() == ["InService"] * 2))
    one = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["own"])[
        "AutoScalingGroups"][0]["Instances"][0]["InstanceId"]
    scaling.enter_standby(InstanceIds=[one], ShouldDecrementDesiredCapacity=True, **name)
    ok("standby is a state, and no capacity", wait_until(
        lambda: states() == ["InService", "Standby"]), states())
    scaling.exit_standby(InstanceIds=[one], **name)
    ok("and can be left", wait_until(lambda: states() == ["InService"] * 2), states())
    equal("a capacity above the maximum is refused", error(
        scaling.set_desired_capacity, DesiredCapacity=11, **name), "ValidationError")
    scaling.put_lifecycle_hook(LifecycleHookName="up", LifecycleTransition=UP, HeartbeatTimeout=30,
                               DefaultResult="CONTINUE", **name)
    scaling.set_desired_capacity(DesiredCapacity=3, **name)
    ok("a hook whose time is over has its default result", wait_until(
        lambda: "Pending:Wait" in states()) and wait_until(lambda: states() == ["InService"] * 3))
    scaling.put_lifecycle_hook(LifecycleHookName="up", DefaultResult="ABANDON", **name)
    control("PUT", "settings", {"ids": ["i-a", "i-b"]})
    scaling.set_desired_capacity(DesiredCapacity=4, **name)
    wait_until(lambda: "i-a" in control("GET", "state")["groups"]["own"]["instances"])
    scaling.complete_lifecycle_action(LifecycleHookName="up", InstanceId="i-a",
                                      LifecycleActionResult="ABANDON", **name)
    ok("an abandoned launch is terminated, and replaced", wait_until(lambda: list(
        control("GET", "state")["groups"]["own"]["instances"])[-1] == "i-b"))
    do("autoscaling", "DeleteLifecycleHook", LifecycleHookName="up", **name)
    scaling.put_warm_pool(PoolState="Stopped", MinSize=1, MaxGroupPreparedCapacity=0, **name)
    ok("a warm pool fills", wait_until(lambda: "Warmed:Stopped" in states()), states())
    number = control("GET", "events")[-1]["number"]
    scaling.set_desired_capacity(DesiredCapacity=5, **name)
    ok("and is where the next instance comes from", wait_until(lambda: "start" in [
        each["event"] for each in control("GET", "events?after=%d" % number)]))


def tracking():
    scaling, metrics = client("autoscaling"), client("cloudwatch")
    name = {"AutoScalingGroupName": "tracked"}
    do("autoscaling", "CreateAutoScalingGroup", MinSize=1, MaxSize=20, DesiredCapacity=4,
       LaunchTemplate={"LaunchTemplateName": "web"}, **name)

    def desired():
        return scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["tracked"])[
            "AutoScalingGroups"][0]["DesiredCapacity"]

    def publish(metric_name, value):
        now = int(time.time()) // 10 * 10
        metrics.put_metric_data(Namespace="instanced", MetricData=[
            {"MetricName": metric_name, "Unit": "Percent", "StorageResolution": 1,
             "Timestamp": now - 10 * i, "StatisticValues": {
                 "SampleCount": 10, "Sum": 10 * value, "Minimum": value, "Maximum": value},
             "Dimensions": [{"Name": "AutoScalingGroupName", "Value": "tracked"}]}
            for i in range(-1, 20)])

    def follow(metric_name):
        return do("autoscaling", "PutScalingPolicy", PolicyName=metric_name,
                  PolicyType="TargetTrackingScaling", TargetTrackingConfiguration={
                      "TargetValue": 50, "CustomizedMetricSpecification": {
                          "MetricName": metric_name, "Namespace": "instanced", "Period": 10,
                          "Statistic": "Average", "Unit": "Percent", "Dimensions": [
                              {"Name": "AutoScalingGroupName", "Value": "tracked"}]}}, **name)
    publish("hot", 99.5)
    equal("a policy has its two alarms", [each["AlarmName"] for each in follow("hot")["Alarms"]],
          ["TargetTracking-tracked-AlarmHigh", "TargetTracking-tracked-AlarmLow"])
    ok("twice the target doubles a group", wait_until(lambda: desired() == 8), desired())
    ok("and launches the instances", wait_until(lambda: len(scaling.describe_auto_scaling_groups(
        AutoScalingGroupNames=["tracked"])["AutoScalingGroups"][0]["Instances"]) == 8))
    do("autoscaling", "DeletePolicy", PolicyName="hot", **name)
    publish("cold", 5)
    follow("cold")
    ok("15 datapoints far below it take one instance away", wait_until(lambda: desired() == 7),
       desired())


def main():
    global work, key
    work = tempfile.mkdtemp()
    sim = None
    try:
        subprocess.run([TREE_MAKE, os.path.join(work, "tree"), "--role", "web"], check=True)
        name = os.path.join(work, "tree/meta-data/iam/security-credentials/web")
        with open(name) as file:
            key = json.load(file)
        sim = start("--credentials", name, "--imds", os.path.join(work, "imds"), "--speed",
                    str(SPEED))
        parts = [group_and_instance]
        if os.path.exists(AWS):
            parts += [cli_autoscaling, cli_monitoring, cli_targets, cli_stacks]
        return tap.run(*parts, terminations, misspelt, wrong_metrics, wrong_signatures, faults,
                       group_moves, tracking)
    finally:
        if sim:
            sim.kill()
            sim.wait()
        shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())
