"""What infra/stack.sh would have CloudFormation do, seen by an `aws` that writes its arguments down and answers from a list.

    stack.py

Needs nothing but Python 3.11 and bash. That the commands themselves exist is commands.py's to say.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from local_run import ROOT, Failed

PARAMETERS = ["KeepTables", "AlarmEmail", "DeliverConcurrency"]
FAKE = """#!/usr/bin/env python3
import json, sys
from pathlib import Path
place = Path(__file__).parent
with open(place / "calls", "a") as calls:
    print(json.dumps(sys.argv[1:]), file=calls)
if sys.argv[2] == "describe-stacks":
    print("\\t".join(%r))
if sys.argv[2] == "describe-stack-resource":
    print("id-of-" + sys.argv[sys.argv.index("--logical-resource-id") + 1])
"""


def stack(*arguments, answer=""):
    """(status, what it printed, the calls it made)."""
    with tempfile.TemporaryDirectory() as place:
        fake = Path(place, "aws")
        fake.write_text(FAKE % PARAMETERS, encoding="utf-8")
        fake.chmod(0o755)
        done = subprocess.run(["bash", "infra/stack.sh", *arguments], cwd=ROOT, input=answer, text=True, capture_output=True,
                              env={**os.environ, "PATH": f"{place}:{os.environ['PATH']}"})
        calls = Path(place, "calls")
        made = [json.loads(line) for line in calls.read_text(encoding="utf-8").splitlines()] if calls.exists() else []
        return done.returncode, done.stdout + done.stderr, made


def operations(calls):
    return [call[1] for call in calls]


def given(calls, operation):
    """The parameters of a call."""
    call = next(call for call in calls if call[1] == operation)
    if "--use-previous-template" not in call:
        raise Failed(f"{operation} ships another template")
    return {each.pop("ParameterKey"): each for each in json.loads(call[call.index("--parameters") + 1])}


def expect(what, found, wanted):
    if found != wanted:
        raise Failed(f"{what}: {found}, not {wanted}")


def main():
    same = {"UsePreviousValue": True}
    try:
        status, _, calls = stack("set", "DeliverConcurrency=100", "AlarmEmail=a=b,c@example.com")
        expect("set ends with", status, 0)
        expect("set gives", given(calls, "update-stack"), {
            "DeliverConcurrency": {"ParameterValue": "100"}, "AlarmEmail": {"ParameterValue": "a=b,c@example.com"},
            "KeepTables": same})
        for wrong in (["set"], ["set", "Unknown=1"], ["set", "KeepTables"], ["frobnicate"]):
            status, said, calls = stack(*wrong)
            expect(f"{wrong} ends with", status, 1)
            expect(f"{wrong} changes", set(operations(calls)) - {"describe-stacks"}, set())
            if "error: " not in said:
                raise Failed(f"{wrong} does not say what is wrong: {said}")
        status, _, calls = stack("--stack", "other", "repair", answer="y\n")
        expect("repair ends with", status, 0)
        expect("repair gives", given(calls, "create-change-set"), dict.fromkeys(PARAMETERS, same))
        expect("repair is of", {call[call.index("--stack-name") + 1] for call in calls}, {"other"})
        status, _, calls = stack("repair", answer="n\n")
        expect("repair, refused, ends with", status, 1)
        if "execute-change-set" in operations(calls):
            raise Failed("repair, refused, changes the stack")
        status, said, _ = stack("kept")
        expect("kept prints", said.splitlines(), [f"{name} id-of-{name}" for name in
                                                  ("SettingsTable", "EventsTable", "KeyringKey")])
        expect("save asks for", operations(stack("save")[2]), ["get-template"])
    except Failed as failed:
        sys.exit(str(failed))
    print("stack.sh asks for what it says")


if __name__ == "__main__":
    main()
