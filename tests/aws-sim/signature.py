# SPDX-License-Identifier: Apache-2.0
"""
Whether a request is signed: Signature Version 4, recomputed with botocore's signer.

Sources: "Signing AWS API requests" of the IAM User Guide (what has to be signed, what the
credential scope is); the "Common Errors" pages for codes; messages as services answer them.

A credential has the form in which the metadata service hands it out, so the file that it serves may
be given as it is: AccessKeyId, SecretAccessKey, Token (absent for a user's own key), Expiration
(absent: never).
"""
import datetime
import hashlib
import hmac
import re

import botocore.auth
import botocore.credentials
from botocore.awsrequest import AWSRequest

from model import SERVICES, Refused

SKEW_SECONDS = 15 * 60
SIGNED_AT = "%Y%m%dT%H%M%SZ"
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=([^/, ]+)/(\d{8})/([^/, ]+)/([^/, ]+)/aws4_request, *"
    r"SignedHeaders=([^, ]+), *Signature=([0-9a-f]{64})")


class Verifier(botocore.auth.SigV4Auth):
    """botocore's signer, held to the headers that were signed and to the body that came."""

    def __init__(self, credentials, service, region, signed):
        super().__init__(credentials, service, region)
        self.signed = signed

    def headers_to_sign(self, request):
        headers = type(request.headers)()
        for name, value in request.headers.items():
            if name.lower() in self.signed:
                headers[name.lower()] = value
        return headers

    def verdict(self, request, date):
        request.context["timestamp"] = date
        return self.signature(self.string_to_sign(request, self.canonical_request(request)),
                              request)


class Credentials:
    """The keys that are good, and until when."""

    def __init__(self):
        self.known = {}  # (key, token): (secret, end or None)

    def add(self, credential):
        """Raises KeyError or ValueError for what is not a credential."""
        end = credential.get("Expiration")
        if end is not None:
            end = datetime.datetime.fromisoformat(end.replace("Z", "+00:00"))
        key = credential["AccessKeyId"], credential.get("Token")
        self.known[key] = credential["SecretAccessKey"], end

    def remove(self, key_id):
        self.known = {key: each for key, each in self.known.items() if key[0] != key_id}

    def find(self, key_id, token):
        """The secret; raises what AWS says of a key that is not known, or no longer good."""
        if (key_id, token) not in self.known:
            raise Refused("InvalidClientTokenId",
                          "The security token included in the request is invalid.", 403)
        secret, end = self.known[key_id, token]
        if end is not None and end <= datetime.datetime.now(datetime.timezone.utc):
            raise Refused("ExpiredToken", "The security token included in the request is expired",
                          403)
        return secret


def mismatch(message):
    return Refused("SignatureDoesNotMatch", message, 403)


def incomplete(message):
    return Refused("IncompleteSignature", message, 403)


def check_date(date, now):
    try:
        when = datetime.datetime.strptime(date, SIGNED_AT).replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        raise incomplete("not a date: " + date) from None
    skew = datetime.timedelta(seconds=SKEW_SECONDS)
    if when + skew < now:
        raise mismatch("Signature expired: %s is now earlier than %s (%s - 15 min.)" %
                       (date, (now - skew).strftime(SIGNED_AT), now.strftime(SIGNED_AT)))
    if when - skew > now:
        raise mismatch("Signature not yet current: %s is still later than %s (%s + 15 min.)" %
                       (date, (now + skew).strftime(SIGNED_AT), now.strftime(SIGNED_AT)))


def service_of(headers):
    """The service in the credential scope, or None: for the log, and the form of an error."""
    match = AUTHORIZATION.match(headers.get("Authorization") or "")
    return match.group(4) if match and match.group(4) in SERVICES else None


def scope_parse(headers):
    """What the Authorization header says, a group of AUTHORIZATION each, and X-Amz-Date."""
    for name in ("Authorization", "X-Amz-Date", "X-Amz-Security-Token"):
        if len(headers.get_all(name) or []) > 1:
            raise incomplete("more than one %s" % name)
    if "Authorization" not in headers:
        raise Refused("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
    match = AUTHORIZATION.fullmatch(headers["Authorization"])
    if not match:
        raise incomplete("not an Authorization header of Signature Version 4: " +
                         headers["Authorization"])
    day, date = match.group(2), headers.get("X-Amz-Date") or ""
    if not re.fullmatch(r"\d{8}T\d{6}Z", date):
        raise incomplete("Authorization header requires existence of a 'X-Amz-Date' header.")
    if day != date[:8]:
        raise mismatch("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of "
                       "date from HTTP: '%s' != '%s', from '%s'." % (day, date[:8], date))
    return match.groups(), date


def signed_check(headers, signed):
    """Whether what has to be signed is, and what is signed is there."""
    if signed != sorted(set(signed)) or any(name != name.lower() for name in signed):
        raise incomplete("SignedHeaders is not sorted, or not in lower case")
    for name in signed:
        if name not in headers:
            raise mismatch("signed, and not there: %s" % name)
    if "host" not in signed:
        raise mismatch("'Host' must be a 'SignedHeader' in the AWS Authorization header.")
    for name in map(str.lower, headers.keys()):
        if name.startswith("x-amz-") and name not in signed:
            raise mismatch("There were headers present in the request which were not signed: "
                           + name)


def signature_check(credentials, region, method, target, headers, body):
    """
    Gives the service that the request is signed for, and its key's ID; raises Refused. headers is
    an email.message.Message, as http.server has it.
    """
    (key_id, _, its_region, service, signed, signature), date = scope_parse(headers)
    signed = signed.split(";")
    signed_check(headers, signed)
    secret = credentials.find(key_id, headers.get("X-Amz-Security-Token"))
    if service not in SERVICES:
        raise mismatch("Credential should be scoped to correct service, not '%s'." % service)
    if its_region != region:
        raise mismatch("Credential should be scoped to a valid region, not '%s'. " % its_region)
    check_date(date, datetime.datetime.now(datetime.timezone.utc))
    if headers.get("X-Amz-Content-SHA256") not in (None, hashlib.sha256(body).hexdigest()):
        raise mismatch("The provided 'x-amz-content-sha256' header does not match what was "
                       "computed.")
    request = AWSRequest(method=method, url="http://" + headers["Host"] + target, data=body)
    for name, value in headers.items():
        request.headers.add_header(name, value)
    verifier = Verifier(botocore.credentials.Credentials(key_id, secret), service, region, signed)
    if not hmac.compare_digest(verifier.verdict(request, date), signature):
        raise mismatch("The request signature we calculated does not match the signature you "
                       "provided. Check your AWS Secret Access Key and signing method. Consult "
                       "the service documentation for details.")
    return service, key_id
