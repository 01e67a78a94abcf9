# SPDX-License-Identifier: Apache-2.0
"""
What tests of aws-sim share: one simulator, with the credentials of a metadata tree, and the clients
that ask it: the AWS CLI, botocore, and requests that botocore signs but nobody checks before.
"""
import datetime
import http.client
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from urllib.parse import urlencode, urlsplit

import tap

try:
    import botocore.auth
    import botocore.awsrequest
    import botocore.config
    import botocore.credentials
    import botocore.exceptions
    import botocore.session
except ImportError:
    tap.skip_all("python3-botocore is not installed")

HERE = os.path.dirname(os.path.realpath(__file__))
SIM = os.path.join(HERE, "aws-sim")
TREE_MAKE = os.path.join(HERE, "..", "imds-sim", "tree-make")
AWS = "/usr/bin/aws"  # the distribution's
REGION = "us-east-1"
VERSIONS = {"monitoring": "2010-08-01", "autoscaling": "2011-01-01",
            "cloudformation": "2010-05-15", "elasticloadbalancing": "2015-12-01"}
session, clients = botocore.session.Session(), {}
work = url = key = None  # the directory, the simulator's address, the credential that is good


def run(*parts, options=()):
    """Runs the parts of a test beside a simulator; gives the program's exit status."""
    global work, url, key
    work, sim = tempfile.mkdtemp(), None
    try:
        subprocess.run([TREE_MAKE, file("tree"), "--role", "web"], check=True)
        name = file("tree/meta-data/iam/security-credentials/web")
        with open(name) as credentials:
            key = json.load(credentials)
        sim = subprocess.Popen([SIM, "--ports-file", file("url"), "--log", file("log"),
                                "--credentials", name, "--imds", file("imds"), *options],
                               stdout=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(file("url")))
        with open(file("url")) as address:
            url = address.read().strip()
        return tap.run(*parts)
    finally:
        if sim:
            sim.kill()
            sim.wait()
        shutil.rmtree(work)


def file(name):
    return os.path.join(work, name)


def wait_until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


def logged():
    with open(file("log")) as log:
        return [json.loads(line) for line in log]


# -- control --


def control(method, path, given=None):
    request = urllib.request.Request(url + "/_control/" + path, method=method,
                                     data=None if given is None else json.dumps(given).encode())
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def do(service, action, **parameters):
    return control("POST", service + "/" + action, parameters)


def instances(group):
    return control("GET", "state")["groups"][group]["instances"]


# -- the API, by its clients --


def client(service, credential=None, attempts=1):
    credential = credential or key
    which = service, credential["AccessKeyId"], attempts
    if which not in clients:
        retries = {"total_max_attempts": attempts, "mode": "standard"}
        clients[which] = session.create_client(
            service, region_name=REGION, endpoint_url=url,
            aws_access_key_id=credential["AccessKeyId"],
            aws_secret_access_key=credential["SecretAccessKey"],
            aws_session_token=credential.get("Token"),
            config=botocore.config.Config(retries=retries))
    return clients[which]


def error(call, **parameters):
    """The code of the error that a call of botocore's ends with, or None."""
    try:
        call(**parameters)
    except botocore.exceptions.ClientError as raised:
        return raised.response["Error"]["Code"]
    return None


def aws(*arguments):
    """What the AWS CLI prints, as JSON, or the code of the error that it tells of."""
    environment = {"PATH": os.environ["PATH"], "HOME": work, "AWS_REGION": REGION,
                   "AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_MAX_ATTEMPTS": "1",
                   "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
                   "AWS_SESSION_TOKEN": key["Token"]}
    done = subprocess.run([AWS, "--endpoint-url", url, "--output", "json", *arguments],
                          env=environment, capture_output=True, text=True)
    if done.returncode:
        return done.stderr.partition("(")[2].partition(")")[0] or done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


# -- the API, by requests made here --


class Signer(botocore.auth.SigV4Auth):
    """botocore's, at any time, and with headers left out of what is signed."""

    leave_out = ()

    def headers_to_sign(self, request):
        headers = super().headers_to_sign(request)
        for name in self.leave_out:
            del headers[name]
        return headers

    def add_auth_at(self, request, when):
        request.context["timestamp"] = when.strftime("%Y%m%dT%H%M%SZ")
        self._modify_request_before_signing(request)
        to_sign = self.string_to_sign(request, self.canonical_request(request))
        self._inject_signature_to_request(request, self.signature(to_sign, request))


def signed(service, body, credential=None, region=REGION, minutes=0, headers=(), leave_out=()):
    """The headers of a POST of this body, as botocore signs it."""
    credential = credential or key
    request = botocore.awsrequest.AWSRequest("POST", url + "/", data=body, headers={
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
        "Host": urlsplit(url).netloc, **dict(headers)})
    signer = Signer(botocore.credentials.Credentials(
        credential["AccessKeyId"], credential["SecretAccessKey"], credential.get("Token")),
        service, region)
    signer.leave_out = leave_out
    signer.add_auth_at(request, datetime.datetime.utcnow() + datetime.timedelta(minutes=minutes))
    return dict(request.headers.items())


def send(headers, body, method="POST", path="/"):
    """(status, code of the error or None). A header whose value is a list goes out as often."""
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
    """Signs and sends fields, or a body; gives what send() does."""
    body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
    return send(signed(service, body, headers=headers), body)
