"""What each function's role grants, against what the function was seen to do.

The local run writes down which function did what to which table, queue and key (`TENDAY_CALLS_DIR`), over the whole
test suite. A grant that nothing used is a hole that nobody needs; a call without a grant is a failure that only the account
would show. Either fails here, by function, action and resource.

    policies.py TEMPLATE CALLS...               compare; CALLS are directories that test runs wrote to
    policies.py TEMPLATE CALLS... --self-test   take away and add one of each kind of grant, and see each found

Two kinds of calls are not the functions' own and are taken from the template: writing the log, and what Lambda's poller
does with the queues that are mapped. IAM is asked for other names than the operations' own in some places; `actions`
has them. Runs in the environment of requirements-sam.txt.
"""

import argparse
import copy
import json
import re
import sys
from pathlib import Path

from rules import report
from template import FUNCTION, QUEUE, ROLE, Template, expand, listed, parse_yaml

WRITES_LOG = {"logs:CreateLogStream", "logs:PutLogEvents"}
POLLS = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
# A transaction's parts are granted as what they do; a batch of messages as one. The tables' batches have names of their
# own. Passing a role is asked for with the schedule that will use it.
OTHER_NAMES = {
    "dynamodb:TransactWriteItems.Put": "dynamodb:PutItem",
    "dynamodb:TransactWriteItems.Update": "dynamodb:UpdateItem",
    "dynamodb:TransactWriteItems.Delete": "dynamodb:DeleteItem",
    "dynamodb:TransactWriteItems.ConditionCheck": "dynamodb:ConditionCheckItem",
    "dynamodb:TransactGetItems.Get": "dynamodb:GetItem",
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "scheduler:CreateSchedule.RoleArn": "iam:PassRole",
    "scheduler:UpdateSchedule.RoleArn": "iam:PassRole",
}
# What the local run calls its stack.
STACK = "tenday"


def resource(node):
    """`Table`, `Table/index/name`, `Queue`: what an ARN in a policy stands for, or the ARN itself."""
    if isinstance(node, dict) and "Fn::If" in node:
        # A restored one takes the place of the stack's own.
        return resource(node["Fn::If"][2])
    if isinstance(node, dict) and "Fn::GetAtt" in node:
        return ".".join(node["Fn::GetAtt"]).removesuffix(".Arn") if isinstance(node["Fn::GetAtt"], list) else node
    if isinstance(node, dict) and "Fn::Sub" in node:
        if found := re.fullmatch(r"\$\{(\w+)\.Arn\}((?:/.+)?)", node["Fn::Sub"]):
            return found[1] + found[2]
        # A schedule's ARN names its group: `schedule/${Schedules}/*`.
        if found := re.fullmatch(r".*:schedule/\$\{(\w+)\}/\*", node["Fn::Sub"]):
            return found[1]
    return json.dumps(node)


def grants(template):
    """By function: every (action, resource) that its role allows."""
    by_role = {}
    for role, statement in template.statements():
        for action in listed(statement["Action"]):
            for node in listed(statement["Resource"]):
                by_role.setdefault(role, set()).add((action, resource(node)))
    return {name: by_role.get(template.named(template.get(name, "Role")), set()) for name in template.of(FUNCTION)}


def of_the_template(template):
    """By function: what it needs without calling anything itself."""
    needs = {}
    for name in template.of(FUNCTION):
        log = template.named(template.get(name, "LoggingConfig", "LogGroup"))
        needs[name] = {(action, log) for action in WRITES_LOG}
    for _, queue, function in template.mappings():
        needs[function] |= {(action, queue) for action in POLLS}
    return needs


def calls(directories):
    """Every (function, action, resource) that was seen, and how many runs were looked at."""
    seen, runs = set(), 0
    for directory in directories:
        for file in sorted(Path(directory).glob("*.json")):
            log = json.loads(file.read_text(encoding="utf-8"))
            runs += 1
            for touched in log["touched"]:
                base, slash, rest = touched["resource"].partition("/index/")
                name = log["names"].get(base, base) + slash + rest
                operation = f"{touched['service']}:{touched['operation']}"
                seen.add((touched["caller"], OTHER_NAMES.get(operation, operation), name))
    return seen, runs


def needs(template, seen):
    """By function: every (action, resource) that it needs."""
    groups = {
        template.get(name, "Name")["Fn::Sub"].replace("${AWS::StackName}", STACK): name
        for name in template.of("AWS::Scheduler::ScheduleGroup")
    }
    needed = of_the_template(template)
    for function, action, name in seen:
        if function in needed:
            needed[function].add((action, groups.get(name, name)))
    return needed


def compare(template, seen):
    """Every complaint."""
    granted, needed, by_itself = grants(template), needs(template, seen), of_the_template(template)
    for function in template.of(FUNCTION):
        # A function that may do nothing but write its log calls nothing.
        if granted[function] - by_itself[function] and not any(caller == function for caller, *_ in seen):
            yield f"{function}: was never seen to call anything; is there a test that uses it?"
        for action, name in sorted(granted[function] - needed[function]):
            yield f"{function}: may {action} {name}, and never does"
        for action, name in sorted(needed[function] - granted[function]):
            yield f"{function}: does {action} {name}, and may not"
    for name in template.of(ROLE):
        if not any(template.named(template.get(function, "Role")) == name for function in template.of(FUNCTION)):
            yield from of_a_service(template, name)


def of_a_service(template, role):
    """A role that no function has is EventBridge Scheduler's, which does one thing: it sends to what is retried. What it may do
    where the platform is told of webhooks is a policy apart, which template.py has a rule for."""
    allowed = {
        (action, resource(node))
        for name, statement in template.statements() if name == role
        for action in listed(statement["Action"]) for node in listed(statement["Resource"])
    }
    sends = {node for action, node in allowed if action == "sqs:SendMessage" and node in template.of(QUEUE)}
    if len(allowed) != 1 or len(sends) != 1:
        yield f"{role}: may do more than send to one queue"


def self_test(source, seen):
    """How many grants were changed, and what went unseen."""
    changed, unseen = 0, []

    def found(changed_source, function, action):
        template = Template(changed_source, expand(changed_source))
        return any(complaint.startswith(f"{function}:") and f" {action} " in complaint
                   for complaint in compare(template, seen))

    def statements(of):
        for policy in of["Resources"][role]["Properties"]["Policies"]:
            yield from policy["PolicyDocument"]["Statement"]

    roles = {name: template_role(source, name) for name in source["Resources"] if template_role(source, name)}
    for function, role in roles.items():
        for number, statement in enumerate(statements(source)):
            for action in listed(statement["Action"]):
                changed += 1
                broken = copy.deepcopy(source)
                own = list(statements(broken))[number]
                left = [other for other in listed(own["Action"]) if other != action]
                own["Action"] = left or "sts:GetCallerIdentity"
                if not found(broken, function, action):
                    unseen.append(f"{function}: {action} was taken away and nobody saw it")
        for action, name in (("dynamodb:DeleteTable", "SettingsTable"), ("sqs:PurgeQueue", "RetriesQueue"),
                             ("kms:Encrypt", "KeyringKey"), ("dynamodb:Scan", "EventsTable"),
                             ("logs:CreateLogGroup", "AccessLog")):
            changed += 1
            broken = copy.deepcopy(source)
            grant = {"Effect": "Allow", "Action": action, "Resource": {"Fn::GetAtt": [name, "Arn"]}}
            broken["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"].append(grant)
            if not found(broken, function, action):
                unseen.append(f"{function}: {action} was granted and nobody saw it")
    return changed, unseen


def template_role(source, name):
    if source["Resources"][name]["Type"] != "AWS::Serverless::Function":
        return None
    return source["Resources"][name]["Properties"]["Role"]["Fn::GetAtt"][0]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("template")
    arguments.add_argument("calls", nargs="+")
    arguments.add_argument("--self-test", action="store_true")
    options = arguments.parse_args()
    with open(options.template, encoding="utf-8") as file:
        source = parse_yaml(file.read())
    seen, runs = calls(options.calls)
    if not runs:
        sys.exit(f"there is nothing in {', '.join(options.calls)}: run the tests with TENDAY_CALLS_DIR first")
    if options.self_test:
        changed, problems = self_test(source, seen)
        done = f"{changed} grants taken away or added, all found"
    else:
        template = Template(source, expand(source))
        problems = list(compare(template, seen))
        done = f"{sum(map(len, grants(template).values()))} grants, each used in {runs} runs, and no call without one"
    report(options.template, problems, done)


if __name__ == "__main__":
    main()
