# SPDX-License-Identifier: Apache-2.0
"""
The AWS Query protocol, judged by botocore's own service models.

request_parse() takes the form that came, walks the input shape of its action, and gives back the
parameters as botocore has them. It refuses what AWS refuses, and more: the parameters are checked
with botocore's validator, then serialized anew with botocore's serializer, and what comes out has
to be what came in, name for name and value for value (numbers and timestamps by what they mean).
So nothing passes that botocore would not have sent. AWS itself ignores some of that, such as names
it does not know; here they are an InvalidQueryParameter.

answer_render() and error_render() make the XML of an answer, from the output shape.

Sources: https://smithy.io/2.0/aws/protocols/aws-query-protocol.html for the protocol; "Common
Errors" of each service's API reference for codes. Which code a broken constraint has, and how its
message reads, differs from service to service (REFUSALS): CloudWatch's are the legacy ones, the
others speak like `Value 'x' at 'y' failed to satisfy constraint: …`.
"""
import datetime
import functools
import re
from urllib.parse import unquote_to_bytes
from xml.sax.saxutils import escape

import botocore.loaders
import botocore.model
import botocore.serialize
import botocore.validate
from botocore.utils import parse_to_aware_datetime

# The signing name of each service, and what botocore's data calls it.
SERVICES = {
    "monitoring": "cloudwatch",
    "autoscaling": "autoscaling",
    "cloudformation": "cloudformation",
    "elasticloadbalancing": "elbv2",
}
# The codes for a member that is not there, and for one whose value is not allowed.
REFUSALS = {
    "monitoring": ("MissingParameter", "InvalidParameterValue"),
    "autoscaling": ("ValidationError", "ValidationError"),
    "cloudformation": ("ValidationError", "ValidationError"),
    "elasticloadbalancing": ("ValidationError", "ValidationError"),
}
# Members that are newer than Debian's botocore: {service: {shape: {member: shape}}}.
# "Create a target tracking policy using high-resolution metrics" of the Auto Scaling User Guide.
NEWER = {
    "autoscaling": {
        "CustomizedMetricSpecification": {"Period": {"shape": "MetricGranularityInSeconds"}},
    },
}
NEWER_SHAPES = {"MetricGranularityInSeconds": {"type": "integer", "min": 1}}

# In patterns, what Java's regular expressions have and Python's do not.
PATTERNS = (
    (r"\uD800\uDC00-\uDBFF\uDFFF", "\U00010000-\U0010FFFF"),
    (r"[\p{L}\p{Z}\p{N}_", r"[\w\s"),
)
# xs:double as the protocol has it, and what Python's str() makes of NaN and the infinities.
DOUBLE = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?|NaN|nan|-?(Infinity|inf)")
INTEGER = re.compile(r"-?\d+")
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[-+]\d\d:\d\d)")


class Refused(Exception):
    """An error answer: its HTTP status and code are AWS's."""

    def __init__(self, code, message, status=400):
        super().__init__("%s: %s" % (code, message))
        self.code, self.message, self.status = code, message, status


# -- the models --


@functools.lru_cache(maxsize=None)
def service_model(service):
    """botocore's model of the service with this signing name, with what is newer in it."""
    name = SERVICES[service]
    description = botocore.loaders.Loader().load_service_model(name, "service-2")
    shapes = description["shapes"]
    for shape, members in NEWER.get(service, {}).items():
        for member, reference in members.items():
            shapes[shape]["members"].setdefault(member, reference)
            shapes.setdefault(reference["shape"], NEWER_SHAPES[reference["shape"]])
    return botocore.model.ServiceModel(description, name)


def operation_find(service, action, version=None):
    model = service_model(service)
    if version not in (None, model.api_version) or action not in model.operation_names:
        raise Refused("InvalidAction", "Could not find operation %s for version %s" %
                      (action, version or model.api_version))
    return model.operation_model(action)


# -- a request: from its form to its parameters --


def form_decode(body):
    """The fields of an application/x-www-form-urlencoded body, strictly: {name: value}."""
    fields = {}
    for pair in filter(None, body.split(b"&")):
        if re.search(rb"%(?![0-9A-Fa-f]{2})|[^\x21-\x7e]", pair):
            raise Refused("MalformedQueryString", "not form-encoded: %r" % pair.decode("latin-1"))
        name, _, value = pair.replace(b"+", b" ").partition(b"=")
        try:
            name, value = unquote_to_bytes(name).decode(), unquote_to_bytes(value).decode()
        except UnicodeDecodeError:
            raise Refused("MalformedQueryString", "not UTF-8") from None
        if name in fields:
            raise Refused("MalformedQueryString", "more than once: %s" % name)
        fields[name] = value
    return fields


class FormParser:
    """One walk through an input shape, taking from the form what the shape names."""

    def __init__(self, service, fields):
        self.missing, self.invalid = REFUSALS[service]
        self.fields = fields
        self.paths = {name[:i] for name in fields
                      for i in range(1, len(name) + 1) if name[i:i + 1] in ("", ".")}
        self.kinds = {}  # of each name that was taken: its type

    def present(self, path):
        return path in self.paths

    def parse(self, shape, prefix):
        walk = getattr(self, "parse_" + shape.type_name, None)
        return walk(shape, prefix) if walk else self.parse_scalar(shape, prefix)

    def parse_structure(self, shape, prefix):
        parameters = {}
        for name, member in shape.members.items():
            path = ".".join(filter(None, (prefix, member.serialization.get("name", name))))
            if self.present(path):
                parameters[name] = self.parse(member, path)
        return parameters

    def parse_list(self, shape, prefix):
        if self.fields.get(prefix) == "":
            self.kinds[prefix] = "list"
            return []
        if not shape.serialization.get("flattened"):
            prefix += "." + shape.member.serialization.get("name", "member")
        elements = []
        while self.present("%s.%d" % (prefix, len(elements) + 1)):
            elements.append(self.parse(shape.member, "%s.%d" % (prefix, len(elements) + 1)))
        return elements

    def parse_map(self, shape, prefix):
        if not shape.serialization.get("flattened"):
            prefix += ".entry"
        key = shape.key.serialization.get("name", "key")
        value = shape.value.serialization.get("name", "value")
        pairs, i = {}, 1
        while self.present("%s.%d" % (prefix, i)):
            entry = "%s.%d." % (prefix, i)
            pairs[self.parse(shape.key, entry + key)] = self.parse(shape.value, entry + value)
            i += 1
        return pairs

    def parse_scalar(self, shape, path):
        if path not in self.fields:
            raise Refused("InvalidQueryParameter", "%s is no structure" % path)
        text, kind = self.fields[path], shape.type_name
        self.kinds[path] = kind
        if kind == "boolean" and text in ("true", "false"):
            return text == "true"
        if kind in ("integer", "long") and INTEGER.fullmatch(text):
            return int(text)
        if kind in ("double", "float") and DOUBLE.fullmatch(text):
            return float(text)
        if kind == "timestamp" and TIMESTAMP.fullmatch(text):
            try:
                return parse_to_aware_datetime(text)
            except ValueError:
                pass
        if kind in ("string", "character"):
            return text
        raise Refused("MalformedInput" if self.invalid == "ValidationError" else self.invalid,
                      "%s must be a %s: %s" % (path, kind, text))


def same_value(kind, ours, theirs):
    """Whether two spellings of a value mean the same."""
    if kind in ("double", "float"):
        ours, theirs = float(ours), float(theirs)
        return ours == theirs or ours != ours and theirs != theirs
    if kind == "timestamp":
        return parse_to_aware_datetime(ours) == parse_to_aware_datetime(theirs)
    return ours == theirs


def check_constraints(shape, value, path, refuse):
    """What botocore's validator leaves to the service: upper bounds, enumerations, patterns."""
    limits = shape.metadata
    kind = shape.type_name
    size = value if kind in ("integer", "long", "double", "float") else \
        len(value) if kind in ("string", "list") else None
    if size is not None and size > limits.get("max", size):
        refuse(path, value, "Member must %s less than or equal to %s" %
               ("have value" if size is value else "have length", limits["max"]))
    if size is not None and size < limits.get("min", size):
        refuse(path, value, "Member must %s greater than or equal to %s" %
               ("have value" if size is value else "have length", limits["min"]))
    if kind == "string":
        if value not in (shape.enum or [value]):
            refuse(path, value, "Member must satisfy enum value set: [%s]" % ", ".join(shape.enum))
        pattern = limits.get("pattern")
        for java, python in PATTERNS:
            pattern = pattern and pattern.replace(java, python)
        if pattern and not re.fullmatch(pattern, value, re.DOTALL):
            refuse(path, value, "Member must satisfy regular expression pattern: %s" %
                   limits["pattern"])
    elif kind == "structure":
        for name in value:
            check_constraints(shape.members[name], value[name],
                              (path + "." if path else "") + name, refuse)
    elif kind == "list":
        for i, element in enumerate(value, 1):
            check_constraints(shape.member, element, "%s.member.%d" % (path, i), refuse)


def missing_members(shape, value, path=""):
    if shape.type_name == "structure":
        for name in shape.required_members:
            if name not in value:
                yield (path + "." if path else "") + name
        for name in value:
            yield from missing_members(shape.members[name], value[name],
                                       (path + "." if path else "") + name)
    elif shape.type_name == "list":
        for i, element in enumerate(value, 1):
            yield from missing_members(shape.member, element, "%s.member.%d" % (path, i))


def camel(path):
    return ".".join(part[0].lower() + part[1:] for part in path.split("."))


def parameters_check(service, operation, parameters):
    """Refuses what does not fit the input shape."""
    missing, invalid = REFUSALS[service]
    shape = operation.input_shape
    if shape is None:
        return

    def refuse(path, value, constraint):
        if service == "monitoring":
            text = "The value %s for parameter %s is invalid. %s" % (value, path, constraint)
        else:
            text = ("1 validation error detected: Value '%s' at '%s' failed to satisfy "
                    "constraint: %s" % (value, camel(path), constraint))
        raise Refused(invalid, text)

    for path in missing_members(shape, parameters):
        if service == "monitoring":
            raise Refused(missing, "The parameter %s is required." % path)
        raise Refused(missing, "1 validation error detected: Value null at '%s' failed to "
                      "satisfy constraint: Member must not be null" % camel(path))
    check_constraints(shape, parameters, "", refuse)
    errors = botocore.validate.ParamValidator().validate(parameters, shape)
    if errors.has_errors():
        raise Refused(invalid, errors.generate_report())


def form_make(operation, parameters):
    """The fields that botocore sends: {name: value}."""
    serializer = botocore.serialize.QuerySerializer()
    body = serializer.serialize_to_request(parameters, operation)["body"]
    return {name: str(value) for name, value in body.items()}


def request_parse(service, fields):
    """The operation that a form asks for, and its parameters."""
    if "Action" not in fields:
        raise Refused("MissingAction", "Missing Action")
    if "Version" not in fields:
        raise Refused("InvalidAction", "Could not find operation %s for version "
                      "NO_VERSION_SPECIFIED" % fields["Action"])
    operation = operation_find(service, fields["Action"], fields["Version"])
    parser = FormParser(service, fields)
    parameters = parser.parse(operation.input_shape, "") if operation.input_shape else {}
    parameters_check(service, operation, parameters)
    wanted = form_make(operation, parameters)
    for name in sorted(set(wanted) | set(fields)):
        ours, theirs = fields.get(name), wanted.get(name)
        if ours is None or theirs is None or \
                not same_value(parser.kinds.get(name, "string"), ours, theirs):
            raise Refused("InvalidQueryParameter", "%s of %s is %r, and botocore sends %r" %
                          (name, operation.name, ours, theirs))
    return operation, parameters


# -- an answer: from its members to XML --


def timestamp_text(value):
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime.fromtimestamp(value, datetime.timezone.utc)
    return value.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (value.microsecond // 1000)


def shape_render(shape, value, name):
    """An element of this name (of a flattened list, several), as the shape says."""
    kind = shape.type_name
    if kind == "structure":
        unknown = set(value) - set(shape.members)
        assert not unknown, "%s has no %s" % (shape.name, unknown)
        inner = "".join(shape_render(member, value[key], member.serialization.get("name", key))
                        for key, member in shape.members.items() if value.get(key) is not None)
    elif kind == "list":
        flat = shape.serialization.get("flattened")
        element = name if flat else shape.member.serialization.get("name", "member")
        inner = "".join(shape_render(shape.member, each, element) for each in value)
        if flat:
            return inner
    elif kind == "map":
        inner = "".join("<entry>%s%s</entry>" % (shape_render(shape.key, key, "key"),
                                                 shape_render(shape.value, each, "value"))
                        for key, each in value.items())
    elif kind == "boolean":
        inner = "true" if value else "false"
    elif kind == "timestamp":
        inner = timestamp_text(value)
    else:
        inner = escape(str(value))
    return "<%s>%s</%s>" % (name, inner, name)


def answer_render(service, operation, members, request_id):
    shape = operation.output_shape
    result = ""
    if shape is not None:
        result = shape_render(shape, members or {}, shape.serialization["resultWrapper"])
    return ('<%sResponse xmlns="%s">%s<ResponseMetadata><RequestId>%s</RequestId>'
            "</ResponseMetadata></%sResponse>\n" %
            (operation.name, service_model(service).metadata["xmlNamespace"], result, request_id,
             operation.name)).encode()


def error_render(service, refused, request_id):
    space = service_model(service or "monitoring").metadata["xmlNamespace"]
    return ('<ErrorResponse xmlns="%s"><Error><Type>%s</Type><Code>%s</Code><Message>%s</Message>'
            "</Error><RequestId>%s</RequestId></ErrorResponse>\n" %
            (space, "Sender" if refused.status < 500 else "Receiver", escape(refused.code),
             escape(refused.message), request_id)).encode()
