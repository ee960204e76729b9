"""What must hold for template.yaml beyond what the linters see, checked on the template as SAM expands it.

`sam validate` knows SAM's grammar, cfn-lint each resource's schema, checkov general rules of security. None of them
knows that a queue must outwait the function that reads it, or that a new table must outlive the stack. Each rule below
says such a thing of all that is of a kind, and carries the mistakes that it must catch: `--self-test` plants every one of
them in a copy of the template and fails if its rule stays silent, so no rule can rot into one that always passes. What one
thing alone must be is no rule: deployment.py compares it with what was reviewed, and sources.py with the code.

    template.py TEMPLATE [--expanded FILE]   check; write the expanded template, for cfn-lint and checkov
    template.py TEMPLATE --self-test         plant each mistake
    template.py TEMPLATE --skips             the checkov rules that the template's Metadata skips, comma-separated

Runs in the environment of requirements-sam.txt, without an account and without a network.
"""

import argparse
import copy
import json
import logging
import os
import re
import sys
from collections import Counter

import yaml

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from samtranslator.model.preferences.deployment_preference_collection import (  # noqa: E402
    CODEDEPLOY_PREDEFINED_CONFIGURATIONS_LIST,
)
from samtranslator.translator.transform import transform  # noqa: E402
from samtranslator.yaml_helper import intrinsics_multi_constructor  # noqa: E402

from rules import Rules, report  # noqa: E402

# It would complain at every expansion that nobody collects its metrics.
logging.getLogger("samtranslator.metrics.metrics").setLevel(logging.ERROR)

FUNCTION, MAPPING = "AWS::Lambda::Function", "AWS::Lambda::EventSourceMapping"
QUEUE, TABLE, ROLE, KEY = "AWS::SQS::Queue", "AWS::DynamoDB::Table", "AWS::IAM::Role", "AWS::KMS::Key"
VERSION, ALIAS, PERMISSION = "AWS::Lambda::Version", "AWS::Lambda::Alias", "AWS::Lambda::Permission"
STACK, LOGS = "AWS::CloudFormation::Stack", "AWS::Logs::LogGroup"
API, STAGE = "AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Stage"

DAY = 86_400
# Only a local run sets these: one lets callbacks go to loopback, the others replace AWS and the clock, or plant faults.
# Lambda's own AWS_ENDPOINT_URL_<SERVICE> would do as AWS_ENDPOINT_URL does, for one service.
LOCAL_ONLY = re.compile(r"TENDAY_LOCAL|TENDAY_CLOCK|TENDAY_FAULTS|AWS_ENDPOINT_URL")
# What Lambda needs to attach a function to a VPC, which EC2 ties to no resource. Anything else is to be written out.
MANAGED_POLICIES = {"AWSLambdaENIManagementAccess"}
# The dead letters that no function reads; `nested.py` sees to it that an alarm does.
WAITS_FOR_A_PERSON = "IngestDeadLetters"
# Where the account asks for a boundary, every role has it.
BOUNDARY = {"Fn::If": ["RolesAreBounded", {"Ref": "PermissionsBoundary"}, {"Ref": "AWS::NoValue"}]}
# What may be restored, and the condition under which something else stands in its place.
RESTORED = {"SettingsTable": "SettingsAreRestored", "EventsTable": "EventsAreRestored", "KeyringKey": "KeyIsRestored"}
# What the longest attempt leaves of an invocation for reading, claiming and recording it.
AROUND_AN_ATTEMPT = 5


class NoPolicies:
    """SAM's loader of AWS's managed policies, which would ask an account. Ours are spelled out."""

    def load(self):
        return {}


class Yaml(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML with CloudFormation's tags, as SAM reads it, and eight times as fast where the parser in C is there."""


Yaml.add_multi_constructor("!", intrinsics_multi_constructor)


def parse_yaml(text):
    return yaml.load(text, Yaml)


# What SAM made of all that it reads, as JSON: a self-test changes mostly what SAM passes through.
EXPANDED = {}


def expand(source, **parameters):
    """The template that CloudFormation would see with these parameters: some, SAM reads itself."""
    source = json.loads(json.dumps(source))
    passed_through = {name: resource for name, resource in source["Resources"].items()
                      if not str(resource.get("Type")).startswith("AWS::Serverless::")}
    types = {name: resource.get("Type") for name, resource in passed_through.items()}
    key = json.dumps([source | {"Resources": source["Resources"] | types}, parameters])
    if key not in EXPANDED:
        expanded = json.loads(json.dumps(transformed(source, parameters)))
        if any(expanded["Resources"].get(name) != resource for name, resource in passed_through.items()):
            return expanded
        EXPANDED[key] = json.dumps(expanded)
    expanded = json.loads(EXPANDED[key])
    expanded["Resources"] |= passed_through
    return expanded


def transformed(source, parameters):
    source = copy.deepcopy(source)
    for resource in source["Resources"].values():
        if resource.get("Type") == "AWS::Serverless::Function":
            # `sam package` would put an address of S3 here; whose code it is stays to be seen.
            resource["Properties"]["CodeUri"] = f"s3://bucket/{resource['Properties']['CodeUri']}"
    return transform(source, parameters, NoPolicies())


class Template:
    """An expanded template, its parameters at their defaults."""

    def __init__(self, source, expanded):
        self.source = source
        self.expanded = expanded
        self.parameters = expanded.get("Parameters", {})
        self.resources = expanded["Resources"]

    def of(self, kind):
        return {name: r for name, r in self.resources.items() if r["Type"] == kind}

    def value(self, node):
        """`node` without `Ref` to a parameter and without `If`; other functions stay as they are."""
        if isinstance(node, list):
            return [self.value(item) for item in node]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            (function, argument), = node.items()
            if function == "Ref" and argument in self.parameters:
                return self.parameters[argument].get("Default")
            if function == "Fn::If":
                condition, then, otherwise = argument
                return self.value(then if self.holds({"Condition": condition}) else otherwise)
        return {key: self.value(item) for key, item in node.items()}

    def holds(self, condition):
        (function, argument), = condition.items()
        match function:
            case "Condition":
                return self.holds(self.expanded["Conditions"][argument])
            case "Fn::Equals":
                left, right = (self.value(side) for side in argument)
                return str(left) == str(right)
            case "Fn::Not":
                return not self.holds(argument[0])
            case "Fn::And":
                return all(self.holds(each) for each in argument)
            case "Fn::Or":
                return any(self.holds(each) for each in argument)
        raise ValueError(f"a condition with {function}, which is not understood here")

    def get(self, name, *path, default=None):
        """A property of a resource, resolved."""
        node = self.resources[name].get("Properties", {})
        for key in path:
            node = node.get(key) if isinstance(node, dict) else None
            if node is None:
                return default
        return self.value(node)

    def named(self, reference):
        """The logical id that `Ref` or `GetAtt` names."""
        if isinstance(reference, dict):
            if "Ref" in reference:
                return reference["Ref"]
            if "Fn::GetAtt" in reference:
                target = reference["Fn::GetAtt"]
                return (target if isinstance(target, list) else target.split("."))[0]
        return None

    def routes(self):
        """(path, method, function, operation) of every route."""
        for api in self.of(API):
            for path, methods in self.get(api, "Body", "paths", default={}).items():
                for method, operation in methods.items():
                    if method == "parameters":
                        continue
                    uri = json.dumps(operation.get("x-amazon-apigateway-integration", {}).get("uri", ""))
                    called = re.search(r"\$\{(\w+)(?:\.Arn)?\}/invocations", uri)
                    yield path, method, called and self.function_of(called[1]), operation

    def function_of(self, called):
        """The function of an alias; what is no alias is called itself."""
        return self.named(self.get(called, "FunctionName")) if called in self.of(ALIAS) else called

    def mappings(self):
        """(name, queue, function) of everything that a queue invokes."""
        for name in self.of(MAPPING):
            called = self.named(self.get(name, "FunctionName"))
            yield name, self.named(self.get(name, "EventSourceArn")), self.function_of(called)

    def dead_letters(self):
        """(queue, its dead-letter queue)."""
        for name in self.of(QUEUE):
            if target := self.get(name, "RedrivePolicy", "deadLetterTargetArn"):
                yield name, self.named(target)

    def statements(self):
        """(role, statement) of every inline and attached policy."""
        for name in self.of(ROLE):
            for policy in self.get(name, "Policies", default=[]):
                for statement in listed(policy["PolicyDocument"]["Statement"]):
                    yield name, statement
        for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy"):
            for name in self.of(kind):
                for statement in listed(self.get(name, "PolicyDocument", "Statement")):
                    yield name, statement


def is_given(value):
    """Whether a property is there, with the parameters at their defaults."""
    return value not in (None, {"Ref": "AWS::NoValue"})


def listed(one_or_many):
    return one_or_many if isinstance(one_or_many, list) else [one_or_many]


# ------------------------------------------------------------------------------------------------------------- rules

RULES = Rules(lambda source: Template(source, expand(source)))
rule = RULES.rule


# Finding the places to plant a mistake in, by what they are: the names may change.


def functions(source):
    return {n: r for n, r in source["Resources"].items() if r["Type"] == "AWS::Serverless::Function"}


def first(source, kind, where=lambda properties: True):
    return next(r for r in source["Resources"].values() if r["Type"] == kind and where(r.get("Properties", {})))


def event(source, kind, where=lambda properties: True):
    return next(
        event["Properties"]
        for function in functions(source).values()
        for event in function["Properties"].get("Events", {}).values()
        if event["Type"] == kind and where(event["Properties"])
    )


def route(**changes):
    return lambda source: event(source, "HttpApi").update(changes)


def mapping(**changes):
    return lambda source: event(source, "SQS").update(changes)


def unmapped(key):
    return lambda source: event(source, "SQS").pop(key)


def has_dead_letters(properties):
    return "RedrivePolicy" in properties


def queue(**changes):
    return lambda source: first(source, QUEUE, has_dead_letters)["Properties"].update(changes)


def receives(count):
    def plant(source):
        first(source, QUEUE, has_dead_letters)["Properties"]["RedrivePolicy"]["maxReceiveCount"] = count

    return plant


def dead_letter_queue(**changes):
    return lambda source: first(source, QUEUE, lambda p: not has_dead_letters(p))["Properties"].update(changes)


def table(**changes):
    return lambda source: first(source, TABLE)["Properties"].update(changes)


def function(**changes):
    return lambda source: next(iter(functions(source).values()))["Properties"].update(changes)


def variable(name, value):
    def plant(source):
        next(iter(functions(source).values()))["Properties"]["Environment"]["Variables"][name] = value

    return plant


def role_for(service):
    """A role that this service of AWS's takes."""
    return lambda properties: service in json.dumps(properties["AssumeRolePolicyDocument"])


def statement(source, service, number):
    role = first(source, ROLE, role_for(service))
    return role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][number]


def grant(number=1, **changes):
    """Changes a statement of a function's role; the first is that of its log."""
    return lambda source: statement(source, "lambda.amazonaws.com", number).update(changes)


def grant_to_scheduler(**changes):
    return lambda source: statement(source, "scheduler.amazonaws.com", 0).update(changes)


def without(section, *path):
    def plant(source):
        node = source["Resources"][section(source)]
        for key in path[:-1]:
            node = node[key]
        del node[path[-1]]

    return plant


def name_of(kind, where=lambda properties: True):
    return lambda source: next(
        n for n, r in source["Resources"].items() if r["Type"] == kind and where(r.get("Properties", {}))
    )


@rule("a function behind a route answers before API Gateway's 30 seconds are over", function(Timeout=30))
def api_timeouts(template):
    for name in sorted({target for _, _, target, _ in template.routes() if target}):
        if name in template.resources and template.get(name, "Timeout", default=3) > 29:
            yield f"{name}: Timeout {template.get(name, 'Timeout')}"


@rule("every stage has a limit of its own, so that one caller cannot use up the account's",
      without(name_of("AWS::Serverless::HttpApi"), "Properties", "DefaultRouteSettings"))
def throttles(template):
    for name in template.of(STAGE):
        for limit in ("ThrottlingRateLimit", "ThrottlingBurstLimit"):
            if not template.get(name, "DefaultRouteSettings", limit):
                yield f"{name}: no {limit}"


@rule("a batch of more than 10 messages has a window to gather in, and both are within what SQS gives",
      mapping(BatchSize=100), mapping(BatchSize=10_001, MaximumBatchingWindowInSeconds=1),
      mapping(MaximumBatchingWindowInSeconds=301), mapping(BatchSize=0))
def batches(template):
    for name, _, _ in template.mappings():
        size = template.get(name, "BatchSize", default=10)
        window = template.get(name, "MaximumBatchingWindowInSeconds", default=0)
        if not 1 <= size <= 10_000 or not 0 <= window <= 300:
            yield f"{name}: BatchSize {size}, MaximumBatchingWindowInSeconds {window}"
        elif size > 10 and window == 0:
            yield f"{name}: BatchSize {size} without MaximumBatchingWindowInSeconds"


@rule("one message's failure is that message's alone",
      unmapped("FunctionResponseTypes"), mapping(FunctionResponseTypes=["ReportBatchItemFailure"]))
def partial_failures(template):
    for name, _, _ in template.mappings():
        if template.get(name, "FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield f"{name}: FunctionResponseTypes is not [ReportBatchItemFailures]"


@rule("every queue's consumers have a ceiling, so that a flood cannot use up the account's concurrency",
      unmapped("ScalingConfig"), mapping(ScalingConfig={"MaximumConcurrency": 1}))
def concurrency(template):
    for name, _, _ in template.mappings():
        limit = template.get(name, "ScalingConfig", "MaximumConcurrency")
        # A parameter's default is text or number, as it was written.
        if limit is None or not 2 <= int(limit) <= 1000:
            yield f"{name}: MaximumConcurrency {limit}"


@rule("a message stays invisible for six of its consumer's timeouts and the window, as AWS advises",
      queue(VisibilityTimeout=30), dead_letter_queue(VisibilityTimeout=30),
      mapping(MaximumBatchingWindowInSeconds=60), lambda source: [
          f["Properties"].update(Timeout=600) for f in functions(source).values()
          if any(e["Type"] == "SQS" for e in f["Properties"].get("Events", {}).values())])
def visibility(template):
    for name, source, target in template.mappings():
        if source not in template.of(QUEUE) or target not in template.of(FUNCTION):
            yield f"{name}: its queue or its function is not of this template"
            continue
        window = template.get(name, "MaximumBatchingWindowInSeconds", default=0)
        least = 6 * template.get(target, "Timeout", default=3) + window
        if template.get(source, "VisibilityTimeout", default=30) < least:
            yield f"{source}: VisibilityTimeout is less than {least}, six timeouts of {target} and the window"


@rule("a message is tried 5 to 100 times: fewer loses it to throttling, more hides our own fault for days",
      receives(0), receives(1), receives(5000))
def receive_counts(template):
    for name, _ in template.dead_letters():
        count = template.get(name, "RedrivePolicy", "maxReceiveCount")
        if count is None or not 5 <= int(count) <= 100:
            yield f"{name}: maxReceiveCount {count}"


@rule("every queue that a function reads has a dead-letter queue, or is one, and events' dead letters are read too",
      without(name_of(QUEUE, has_dead_letters), "Properties", "RedrivePolicy"),
      lambda source: functions(source)["DeadLetters"]["Properties"]["Events"].popitem())
def dead_letter_queues(template):
    dead = {target for _, target in template.dead_letters()}
    redriven = {name for name, _ in template.dead_letters()}
    read = {source for _, source, _ in template.mappings()}
    for name in sorted(read - dead - redriven, key=str):
        yield f"{name}: no RedrivePolicy"
    for name in sorted(dead - read - {WAITS_FOR_A_PERSON}, key=str):
        yield f"{name}: no function reads it"


@rule("a dead letter is kept for 14 days, and longer than the queue it came from keeps a message",
      dead_letter_queue(MessageRetentionPeriod=345_600), queue(MessageRetentionPeriod=1_209_600))
def retention(template):
    for name, target in template.dead_letters():
        kept = template.get(target, "MessageRetentionPeriod", default=4 * DAY)
        if kept != 14 * DAY:
            yield f"{target}: MessageRetentionPeriod {kept} is not 14 days"
        # A message's age goes with it into the dead-letter queue.
        if template.get(name, "MessageRetentionPeriod", default=4 * DAY) >= kept:
            yield f"{name}: keeps messages as long as {target} does"


@rule("both tables delete what has expired, by the attribute that the code writes",
      without(name_of(TABLE), "Properties", "TimeToLiveSpecification"),
      table(TimeToLiveSpecification={"AttributeName": "expires", "Enabled": True}),
      table(TimeToLiveSpecification={"AttributeName": "expiresAt", "Enabled": False}))
def time_to_live(template):
    for name in template.of(TABLE):
        if template.get(name, "TimeToLiveSpecification") != {"AttributeName": "expiresAt", "Enabled": True}:
            yield f"{name}: TimeToLiveSpecification is not `expiresAt`, enabled"


@rule("tables and the key outlive the stack, and a parameter protects the tables from deletion",
      without(name_of(TABLE), "DeletionPolicy"), without(name_of(KEY), "UpdateReplacePolicy"),
      lambda source: first(source, TABLE).update(UpdateReplacePolicy="RetainExceptOnCreate"),
      table(DeletionProtectionEnabled=False))
def kept(template):
    for name, resource in {**template.of(TABLE), **template.of(KEY)}.items():
        # A first deployment that fails takes back what it made: nothing is in it yet.
        for policy, wanted in (("DeletionPolicy", "RetainExceptOnCreate"), ("UpdateReplacePolicy", "Retain")):
            if resource.get(policy) != wanted:
                yield f"{name}: {policy} is not {wanted}"
    for name, resource in template.of(TABLE).items():
        protected = resource["Properties"].get("DeletionProtectionEnabled")
        if not isinstance(protected, dict) or "Fn::If" not in protected:
            yield f"{name}: DeletionProtectionEnabled does not depend on a parameter"


@rule("tables, queues and signing secrets are encrypted at rest, and their key is rotated",
      queue(SqsManagedSseEnabled=False), table(SSESpecification={"SSEEnabled": False}),
      lambda source: first(source, KEY)["Properties"].update(EnableKeyRotation=False))
def encryption(template):
    for name in template.of(QUEUE):
        if template.get(name, "SqsManagedSseEnabled") is not True and not is_given(template.get(name, "KmsMasterKeyId")):
            yield f"{name}: not encrypted"
    for name in template.of(TABLE):
        if template.get(name, "SSESpecification", "SSEEnabled") is not True:
            yield f"{name}: not encrypted under a KMS key"
    for name in template.of(KEY):
        if template.get(name, "EnableKeyRotation") is not True:
            yield f"{name}: not rotated"


@rule("a key of the account's own, where one is given, keeps every table, queue and log, and every role but the pages' may use it",
      lambda source: first(source, TABLE)["Properties"]["SSESpecification"].pop("KMSMasterKeyId"),
      lambda source: first(source, QUEUE)["Properties"].pop("KmsMasterKeyId"),
      lambda source: first(source, LOGS)["Properties"].pop("KmsKeyId"),
      lambda source: source["Resources"]["DataKeyUse"]["Properties"]["Roles"].pop())
def data_key(template):
    given = {"Fn::If": ["DataKeyIsGiven", {"Ref": "DataKeyArn"}, {"Ref": "AWS::NoValue"}]}
    for name in {**template.of(TABLE), **template.of(QUEUE), **template.of(LOGS)}:
        properties = template.resources[name]["Properties"]
        found = [properties.get("KmsMasterKeyId"), properties.get("KmsKeyId"),
                 properties.get("SSESpecification", {}).get("KMSMasterKeyId")]
        if given not in found:
            yield f"{name}: is kept under another key"
    listed_roles = json.dumps(template.resources["DataKeyUse"]["Properties"]["Roles"])
    for name, resource in template.of(ROLE).items():
        touches = re.search(r'"(?:dynamodb|sqs):', json.dumps(resource))
        if touches and f'"{name}"' not in listed_roles:
            yield f"{name}: may not use the key"


@rule("what is restored takes the place of the stack's own table or key wherever that is named",
      lambda source: statement(source, "lambda.amazonaws.com", 1).update(Resource={"Fn::GetAtt": ["SettingsTable", "Arn"]}),
      lambda source: source["Globals"]["Function"]["Environment"]["Variables"].update(EVENTS_TABLE={"Ref": "EventsTable"}),
      variable("KEYRING_KEY", {"Fn::Sub": "${KeyringKey.Arn}"}),
      lambda source: source["Outputs"]["SettingsTableName"].update(Value={"Ref": "SettingsTable"}))
def restored(template):
    def bare(node, path, conditions):
        if isinstance(node, list):
            for number, item in enumerate(node):
                yield from bare(item, f"{path}.{number}", conditions)
        if not isinstance(node, dict):
            return
        for key, value in node.items():
            if key == "Fn::If":
                yield from bare(value[1], f"{path}.1", conditions)
                yield from bare(value[2], f"{path}.2", conditions | {value[0]})
            elif key in ("Ref", "Fn::GetAtt", "Fn::Sub"):
                for name, condition in RESTORED.items():
                    if re.search(rf"\b{name}\b", json.dumps(value)) and condition not in conditions:
                        yield f"{path} names {name}, restored or not"
            else:
                yield from bare(value, f"{path}.{key}", conditions)

    for section in ("Resources", "Outputs"):
        yield from bare(template.expanded[section], section, frozenset())


@rule("every role is bounded where the account asks for it",
      lambda source: first(source, ROLE)["Properties"].pop("PermissionsBoundary"),
      lambda source: first(source, ROLE)["Properties"].update(PermissionsBoundary={"Ref": "PermissionsBoundary"}))
def boundaries(template):
    for name, resource in template.of(ROLE).items():
        if resource["Properties"].get("PermissionsBoundary") != BOUNDARY:
            yield f"{name}: is not bounded"


@rule("what excludes or needs another parameter is told by a rule, with words for whoever gave it",
      lambda source: source["Rules"]["DomainIsWhole"].pop("RuleCondition"),
      lambda source: source["Rules"]["OneTopic"]["Assertions"][0].pop("AssertDescription"),
      lambda source: source.pop("Rules"))
def rules_of_parameters(template):
    rules = template.source.get("Rules", {})
    if not rules:
        yield "there are no Rules"
    for name, found in rules.items():
        if "RuleCondition" not in found:
            yield f"{name}: holds of parameters that nobody gave"
        if any(not each.get("AssertDescription") for each in found["Assertions"]):
            yield f"{name}: does not say what is wrong"


@rule("every function has a role of its own",
      lambda source: [f["Properties"].update(Role={"Fn::GetAtt": ["SchedulerRole", "Arn"]})
                      for f in functions(source).values()],
      function(Role="arn:aws:iam::123456789012:role/admin"))
def roles(template):
    used = {name: template.named(template.get(name, "Role")) for name in template.of(FUNCTION)}
    count = Counter(used.values())
    for name, role in used.items():
        if role not in template.of(ROLE):
            yield f"{name}: its role is not of this template"
        elif count[role] > 1:
            yield f"{name}: shares {role}"


def notices(**changes):
    return lambda source: source["Resources"]["NoticesPolicy"]["Properties"]["PolicyDocument"]["Statement"][0].update(changes)


@rule("a role's policy outside of it lets Scheduler put events on the bus that the parameter names, only where it names one",
      lambda source: source["Resources"]["NoticesPolicy"].pop("Condition"),
      lambda source: source["Resources"]["NoticesPolicy"]["Properties"].update(RoleName={"Ref": "DeliverRole"}),
      notices(Action="events:*"), notices(Action=["events:PutEvents", "events:PutRule"]),
      notices(Resource={"Fn::Sub": "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default"}))
def policies_apart(template):
    allowed = [{"Effect": "Allow", "Action": "events:PutEvents", "Resource": {"Ref": "NoticesBus"}}]
    for name, resource in template.of("AWS::IAM::RolePolicy").items():
        properties = resource["Properties"]
        trusts = json.dumps(template.resources[properties["RoleName"]["Ref"]]["Properties"]["AssumeRolePolicyDocument"])
        if resource.get("Condition") != "ThePlatformIsTold" or "scheduler.amazonaws.com" not in trusts:
            yield f"{name}: is there without a bus, or of another role than Scheduler's"
        if properties["PolicyDocument"]["Statement"] != allowed:
            yield f"{name}: allows something else"


@rule("no role has a wildcard for an action, or everything for a resource",
      grant(Action="dynamodb:*"), grant(Action=["dynamodb:GetItem", "*"]), grant(Resource="*"),
      grant(Resource=[{"Fn::GetAtt": ["SettingsTable", "Arn"]}, "*"]),
      grant_to_scheduler(Resource="*"))
def wildcards(template):
    for name, statement in template.statements():
        if "NotAction" in statement or "NotResource" in statement:
            yield f"{name}: grants all but what it names"
        for action in listed(statement.get("Action", [])):
            if "*" in action:
                yield f"{name}: Action {action}"
        if any(resource == "*" for resource in listed(statement.get("Resource", []))):
            yield f"{name}: Resource * for {statement.get('Action')}"


@rule("no role has a policy of AWS's, but for what a VPC asks, and that only where a parameter switches it on",
      # SAM makes a role then, and attaches what it thinks best.
      lambda source: (source["Resources"].pop("AuthRole"), functions(source)["Auth"]["Properties"].pop("Role")),
      lambda source: first(source, ROLE)["Properties"].update(
          ManagedPolicyArns=["arn:aws:iam::aws:policy/ReadOnlyAccess"]),
      lambda source: source["Resources"]["DeliverRole"]["Properties"].update(
          ManagedPolicyArns=source["Resources"]["DeliverRole"]["Properties"]["ManagedPolicyArns"]["Fn::If"][1]))
def managed_policies(template):
    for name, resource in template.of(ROLE).items():
        arns = resource["Properties"].get("ManagedPolicyArns", [])
        for policy in re.findall(r"policy/(?:[\w-]+/)*(\w+)", json.dumps(arns)):
            if policy not in MANAGED_POLICIES:
                yield f"{name}: {policy}"
            elif not isinstance(arns, dict):
                yield f"{name}: {policy} whether it is needed or not"


@rule("every function has a log of its own, kept as long as the parameter says, and may write to no other",
      function(LoggingConfig=None), function(LoggingConfig={"LogGroup": "somewhere"}),
      function(LoggingConfig={"LogGroup": {"Ref": "AccessLog"}}),
      lambda source: source["Resources"]["AuthLog"]["Properties"].pop("RetentionInDays"),
      grant(0, Resource={"Fn::GetAtt": ["AccessLog", "Arn"]}), grant(0, Action="logs:CreateLogStream"),
      grant(0, Action=["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]))
def logs(template):
    allowed = {}
    for role, statement_ in template.statements():
        actions = {action for action in listed(statement_["Action"]) if action.startswith("logs:")}
        for resource in listed(statement_["Resource"]) if actions else []:
            allowed.setdefault(role, []).append((template.named(resource), actions))
    used = Counter()
    for name in template.of(FUNCTION):
        log = template.named(template.get(name, "LoggingConfig", "LogGroup"))
        used[log] += 1
        if log not in template.of(LOGS) or used[log] > 1:
            yield f"{name}: its log is not of this template, or another's"
        role = template.named(template.get(name, "Role"))
        if allowed.get(role) != [(log, {"logs:CreateLogStream", "logs:PutLogEvents"})]:
            yield f"{name}: its role writes elsewhere, or does more than write"
    for name, resource in template.of(LOGS).items():
        if resource["Properties"].get("RetentionInDays") != {"Ref": "LogRetentionDays"}:
            yield f"{name}: kept for ever"


@rule("what costs money while nothing happens, or is another way in, is off until it is asked for",
      *[lambda source, name=name: source["Resources"][name].pop("Condition")
        for name in ("Network", "Dashboard", "Alarms", "Ingest", "IngestQueue")],
      lambda source: source["Parameters"]["StaticEgress"].update(Default="true"))
def off(template):
    for name, resource in template.resources.items():
        extra = resource["Type"] == STACK or name.startswith("Ingest")
        if extra and ("Condition" not in resource or template.holds({"Condition": resource["Condition"]})):
            yield f"{name}: is on by default"


@rule("an attempt at its longest leaves its invocation time to record it",
      lambda source: source["Parameters"]["AttemptTimeoutSeconds"].update(MaxValue=28))
def attempts(template):
    for name, resource in template.of(FUNCTION).items():
        longest = resource["Properties"].get("Environment", {}).get("Variables", {}).get("ATTEMPT_TIMEOUT_SECONDS")
        if longest is None:
            continue
        if isinstance(longest, dict):
            longest = template.parameters.get(longest.get("Ref"), {}).get("MaxValue", float("inf"))
        if int(longest) + AROUND_AN_ATTEMPT > template.get(name, "Timeout", default=3):
            yield f"{name}: an attempt may take {longest} seconds"


def every_function(name, value=None):
    """Changes a property of every function; None takes it away."""
    def plant(source):
        for each in functions(source).values():
            each["Properties"].pop(name, None) if value is None else each["Properties"].update({name: value})

    return plant


def of_all(change):
    return lambda source: change(source["Globals"]["Function"])


@rule("whatever calls a function calls its alias, and the alias serves a version that the parameter Revision makes anew",
      of_all(lambda each: each.pop("AutoPublishAlias")), of_all(lambda each: each.pop("Description")),
      of_all(lambda each: each.update(AutoPublishAlias="latest")), function(VersionDescription=None),
      every_function("VersionDescription", {"Ref": "LogLevel"}), function(AutoPublishAliasAllProperties=False),
      lambda source: source["Resources"].update(More={"Type": PERMISSION, "Properties": {"FunctionName": {"Ref": "Auth"}}}),
      lambda source: source["Resources"].update(More={"Type": MAPPING, "Properties": {"FunctionName": {"Ref": "Deliver"}}}))
def aliases(template):
    revision = {"Ref": "Revision"}
    served = {}
    for name, alias in template.of(ALIAS).items():
        properties = alias["Properties"]
        version = template.resources[template.named(properties["FunctionVersion"])]["Properties"]
        served[template.named(properties["FunctionName"])] = (properties["Name"], version)
    for name, resource in template.of(FUNCTION).items():
        alias, version = served.get(name, (None, {}))
        if alias != "live":
            yield f"{name}: has no alias `live`"
        elif resource["Properties"].get("Description") != revision or version.get("Description") != revision:
            yield f"{name}: another Revision publishes no version"
        elif not template.source["Resources"][name]["Properties"].get("AutoPublishAliasAllProperties"):
            yield f"{name}: a property that is written otherwise publishes no version"
    for kind in (MAPPING, PERMISSION):
        for name, resource in template.of(kind).items():
            if template.named(resource["Properties"]["FunctionName"]) not in template.of(ALIAS):
                yield f"{name}: passes the alias by"
    for path, method, target, operation in template.routes():
        if target and f"{target}.Arn" in json.dumps(operation):
            yield f"{method} {path}: passes the alias by"


@rule("where releases are gradual, CodeDeploy moves each alias by known steps, two alarms judge it, and nothing of it is there otherwise",
      of_all(lambda each: each["DeploymentPreference"].update(Enabled=True)),
      of_all(lambda each: each["DeploymentPreference"].update(Enabled=False)),
      of_all(lambda each: each["DeploymentPreference"].pop("Role")),
      of_all(lambda each: each["DeploymentPreference"].pop("Alarms")),
      of_all(lambda each: each["DeploymentPreference"]["Alarms"]["Fn::If"][1].pop()),
      of_all(lambda each: each["DeploymentPreference"].pop("PassthroughCondition")),
      of_all(lambda each: each["DeploymentPreference"].update(Type="AllAtOnce")),
      function(DeploymentPreference={"Enabled": False}),
      lambda source: source["Parameters"]["GradualSteps"]["AllowedValues"].append("Canary10Percent7Minutes"),
      lambda source: source["Parameters"]["GradualIsOn"].update(Default="true"))
def gradual(template):
    if any(resource["Type"].startswith("AWS::CodeDeploy") for resource in template.resources.values()):
        yield "CodeDeploy is there where nobody asked for it"
    steps = template.parameters["GradualSteps"]["AllowedValues"]
    if unknown := set(steps) - (set(CODEDEPLOY_PREDEFINED_CONFIGURATIONS_LIST) - {"AllAtOnce"}):
        yield f"CodeDeploy has no steps {', '.join(sorted(unknown))}"
    judges = [{"Name": {"Fn::GetAtt": ["Gradual", f"Outputs.{name}"]}} for name in ("FunctionsFail", "AnswersFail")]
    nothing = {"Ref": "AWS::NoValue"}
    shifted = Template(template.source, expand(template.source, GradualIsOn="true", GradualSteps=steps[-1]))
    for name, alias in shifted.of(ALIAS).items():
        moved = alias.get("UpdatePolicy", {}).get("CodeDeployLambdaAliasUpdate", {})
        group = shifted.resources.get(shifted.named(moved.get("DeploymentGroupName")))
        if group is None:
            yield f"{name}: is not moved by steps"
            continue
        properties = group["Properties"]
        if properties.get("AlarmConfiguration") != {"Fn::If": ["ReleasesAreGradual", {"Enabled": True, "Alarms": judges}, {}]}:
            yield f"{name}: is judged by {json.dumps(properties.get('AlarmConfiguration'))}"
        role = {"Fn::If": ["ReleasesAreGradual", {"Fn::GetAtt": ["Gradual", "Outputs.Role"]}, nothing]}
        if properties.get("ServiceRoleArn") != role:
            yield f"{name}: is moved by another role"
        if steps[-1] not in json.dumps(properties.get("DeploymentConfigName")):
            yield f"{name}: is moved by other steps than the parameter's"
        back = properties["AutoRollbackConfiguration"]
        if not back["Enabled"] or "DEPLOYMENT_STOP_ON_ALARM" not in back["Events"]:
            yield f"{name}: stays where it is when an alarm sounds"
        if group.get("Condition") != alias.get("Condition"):
            yield f"{name}: its group is there without it"


@rule("nothing that only a local run sets is named anywhere",
      variable("TENDAY_LOCAL", "1"), variable("TENDAY_FAULTS", "/tmp/x"), variable("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"),
      variable("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:4566"), variable("PUBLIC_HOST", {"Ref": "TENDAY_LOCAL"}),
      lambda source: source["Parameters"].update(X={"Type": "String", "Default": "AWS_ENDPOINT_URL"}))
def local_only(template):
    for found in sorted(set(LOCAL_ONLY.findall(json.dumps(template.source)))):
        yield f"{found} is in the template"


@rule("every parameter has a default, so that the first deployment asks nothing",
      lambda source: source["Parameters"]["PublicHost"].pop("Default"))
def defaults(template):
    for name, parameter in template.parameters.items():
        if "Default" not in parameter:
            yield f"{name}: no Default"


# --------------------------------------------------------------------------------------------------------------- run


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("template")
    arguments.add_argument("--expanded", metavar="FILE")
    arguments.add_argument("--self-test", action="store_true")
    arguments.add_argument("--skips", action="store_true")
    options = arguments.parse_args()
    with open(options.template, encoding="utf-8") as file:
        source = parse_yaml(file.read())
    if options.skips:
        skips = source.get("Metadata", {}).get("checkov", {}).get("skip", [])
        if unjustified := [skip["id"] for skip in skips if not skip.get("comment")]:
            sys.exit(f"skipped without a reason: {', '.join(unjustified)}")
        print(",".join(skip["id"] for skip in skips))
        return
    if options.expanded:
        os.makedirs(os.path.dirname(options.expanded) or ".", exist_ok=True)
        with open(options.expanded, "w", encoding="utf-8") as file:
            json.dump(expand(source), file, indent=1)
    if options.self_test:
        planted, problems = RULES.self_test(source)
        done = f"{len(RULES)} rules, {planted} planted mistakes, all caught"
    else:
        problems = RULES.check(source)
        done = f"{len(RULES)} rules hold"
    report(options.template, problems, done)


if __name__ == "__main__":
    main()
