"""Whether each `aws` command of the documentation, the runbooks and the scripts exists, with each of its options.

Nobody tries a runbook before the night that needs it. AWS's own models of its services, which come with botocore, know
every operation and every parameter; this holds the commands against them.

    commands.py              check
    commands.py --self-test  plant mistakes, and fail if one is overlooked

Runs in the environment of requirements-sam.txt, without an account and without a network.
"""

import argparse
import re
import sys

import botocore.session
from botocore import xform_name
from botocore.exceptions import UnknownServiceError

from local_run import ROOT, Failed

SOURCES = ("README.md", "docs/*.md", "docs/runbooks/*.md", "infra/*.sh", "infra/checks/*.sh", ".github/workflows/*.yml")
# What the AWS CLI adds to the services' models.
EVERYWHERE = {"output", "query", "region", "profile", "cli-input-json", "no-cli-pager", "endpoint-url"}
OF_THE_CLI = {("logs", "tail"): {"since", "follow", "format", "filter-pattern", "log-stream-names"},
              ("configure", "get"): set(),
              ("cloudformation", "deploy"): {"stack-name", "template-file", "capabilities", "parameter-overrides"}}
# What the CLI calls otherwise than the models.
MODELS = {"s3api": "s3"}
COMMAND = re.compile(r"(?<![\w./-])aws ([a-z0-9-]+) ([a-z0-9-]+)([^|;&`\n]*)")

MISTAKES = {
    "a misspelt operation": "aws sqs recieve-message --queue-url x",
    "a misspelt option": "aws sqs receive-message --queue-uri x",
    "another operation's option": "aws kms describe-key --key-id $(aws sqs get-queue-url --queue-name x --receipt-handle y)",
    "a misspelt service": "aws dynamo scan --table-name x",
    "a waiter that there is not": "aws cloudformation wait stack-updated --stack-name x",
    "a mistake in a message": 'fail "look: aws sqs receive-messages --queue-url x"',
    "an option on a line of its own": "aws cloudformation update-stack --stack-name x \\\n    --use-old-template",
}


class Models:
    """What operations there are, and what each takes."""

    def __init__(self):
        self.session = botocore.session.Session()

    def options(self, service, operation, rest):
        """The options of a command; raises Failed when there is no such command."""
        if (service, operation) in OF_THE_CLI:
            return OF_THE_CLI[service, operation]
        try:
            service = MODELS.get(service, service)
            model = self.session.get_service_model(service)
        except UnknownServiceError:
            raise Failed(f"there is no service {service}") from None
        if operation == "wait":
            waiters = self.session.get_waiter_model(service)
            name = rest.split()[0]
            names = {xform_name(waiter, "-"): waiter for waiter in waiters.waiter_names}
            if name not in names:
                raise Failed(f"{service} has no waiter {name}")
            found = waiters.get_waiter(names[name]).operation
        else:
            names = {xform_name(found, "-"): found for found in model.operation_names}
            if operation not in names:
                raise Failed(f"{service} has no operation {operation}")
            found = names[operation]
        shape = model.operation_model(found).input_shape
        options = set()
        for member, of in (shape.members if shape else {}).items():
            name = xform_name(member, "-")
            options.add(name)
            if of.type_name == "boolean":
                options.add(f"no-{name}")
        return options


def commands(text):
    """(service, operation, what follows) of each command, those in `$(…)` apart."""
    text = text.replace("\\\n", " ")
    text = re.sub(r"'[^'\n]*'", "Q", text)
    pending = [text]
    while pending:
        text = pending.pop()
        inner = re.compile(r"\$\(([^()]*)\)")
        while match := inner.search(text):
            pending.append(match[1])
            text = text[:match.start()] + "Q" + text[match.end():]
        # A message may tell somebody a command.
        pending.extend(re.findall(r'"([^"\n]*)"', text))
        text = re.sub(r'"[^"\n]*"', "Q", text)
        for match in COMMAND.finditer(text):
            yield match[1], match[2], match[3].split(" # ")[0]


def problems(models, text):
    for service, operation, rest in commands(text):
        try:
            known = models.options(service, operation, rest) | EVERYWHERE
        except Failed as failed:
            yield str(failed)
            continue
        for option in re.findall(r"(?<!\S)--([a-z0-9-]+)", rest):
            if option not in known:
                yield f"aws {service} {operation} has no option --{option}"


def check(models):
    files = sorted(file for source in SOURCES for file in ROOT.glob(source))
    texts = {file.relative_to(ROOT): file.read_text(encoding="utf-8") for file in files}
    found = [f"{name}: {problem}" for name, text in texts.items() for problem in problems(models, text)]
    if found:
        raise Failed("\n".join(found))
    count = sum(1 for text in texts.values() for _ in commands(text))
    if count < 50:
        raise Failed(f"only {count} commands were found: they are written in a way that is not read here")
    return f"{count} commands of {len(texts)} files exist"


def self_test(models):
    overlooked = [name for name, text in MISTAKES.items() if not list(problems(models, text))]
    if overlooked:
        raise Failed(f"overlooked: {', '.join(overlooked)}")
    return f"{len(MISTAKES)} planted mistakes, all caught"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--self-test", action="store_true")
    options = arguments.parse_args()
    try:
        print((self_test if options.self_test else check)(Models()))
    except Failed as failed:
        sys.exit(str(failed))


if __name__ == "__main__":
    main()
