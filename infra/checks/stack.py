"""What infra/stack.sh would have AWS do, seen by an `aws` that keeps an account in a file and writes its arguments down.

    stack.py

What is wrong has to be told before anything changes: a call that changes something is any that is not in READS. That
the commands themselves exist is commands.py's to say, and that a release installs, install.py's.

Runs in the environment of requirements-sam.txt, with bash.
"""

import ast
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import release  # noqa: E402
from local_run import ROOT, Failed  # noqa: E402

PARAMETERS = {"KeepTables": "false", "AlarmEmail": "", "DeliverConcurrency": "50", "Revision": "2026-01-01T00:00:00Z"}
READS = ("describe-", "get", "head-", "list-", "wait")
ACCOUNT, REGION = "111122223333", "eu-central-1"
BUCKET = f"tenday-artefacts-{ACCOUNT}-{REGION}"
FAKE = f"#!{sys.executable} -ISE\n" + r"""
import sys
# Started seven hundred times: pathlib and json would be more than half of what that takes. So literals of Python are kept.
place = __file__.removesuffix("aws")
with open(place + "account") as kept:
    account = eval(kept.read(), {})
arguments = sys.argv[1:]
with open(place + "calls", "a") as calls:
    print(arguments, file=calls)
service, operation = arguments[:2]

def option(name, otherwise=""):
    return arguments[arguments.index(name) + 1] if name in arguments else otherwise

def fail(text):
    print(text, file=sys.stderr)
    sys.exit(255)

def save():
    with open(place + "account", "w") as kept:
        print(account, file=kept)

if operation in account.get("fails", []):
    fail("planted")
stack = account["stacks"].get(option("--stack-name"))
query = option("--query")
if operation == "get-caller-identity":
    print(account["id"]) if account["id"] else fail("Unable to locate credentials")
elif operation == "describe-stacks":
    if stack is None:
        fail("An error occurred (ValidationError): Stack with id x does not exist")
    if "StackStatus" in query:
        status = stack["status"]
        if isinstance(status, list):
            stack["status"] = status[1:] if len(status) > 2 else status[-1]
            status = status[0]
            save()
        print(status)
    elif "Description" in query:
        print(stack.get("description", "Tenday - webhook delivery"))
    elif "Outputs" in query:
        print(stack["outputs"].get(query.split("'")[1], "None"))
    elif "'" in query:
        print(stack["parameters"].get(query.split("'")[1], "None"))
    elif "ParameterValue" in query:
        for name, value in stack["parameters"].items():
            print(f"{name}\t{value}")
    else:
        print("\t".join(stack["parameters"]))
elif operation == "describe-stack-resource":
    print("id-of-" + option("--logical-resource-id"))
elif operation == "head-bucket":
    owner = account["buckets"].get(option("--bucket"))
    if owner is None:
        fail("An error occurred (404) when calling the HeadBucket operation: Not Found")
    if owner["account"] != account["id"]:
        fail("An error occurred (403) when calling the HeadBucket operation: Forbidden")
elif operation == "get-bucket-location":
    print(account["buckets"][option("--bucket")]["region"])
elif operation == "create-bucket":
    account["buckets"][option("--bucket")] = {"account": account["id"], "region": account["region"]}
elif operation == "create-stack":
    import json
    given = {each["ParameterKey"]: each["ParameterValue"] for each in json.loads(option("--parameters"))}
    account["stacks"][option("--stack-name")] = {"status": ["CREATE_IN_PROGRESS", account.get("ends", "CREATE_COMPLETE")],
        "parameters": given, "outputs": {"ApiUrl": "https://api", "SettingsTableName": "settings", "Release": "1.2.0"}}
elif operation == "delete-stack":
    del account["stacks"][option("--stack-name")]
elif operation == "get-template":
    print(stack.get("template", "as it was"))
elif operation == "get-template-summary":
    print("\t".join(account.get("summary", [])))
elif operation == "get-object":
    with open(arguments[-1], "w") as fetched:
        fetched.write("older")
elif operation == "describe-change-set":
    print("FAILED" if account.get("unchanged") and "Reason" not in query else "CREATE_COMPLETE" if "StatusReason" not in query
          else "The submitted information didn't contain changes.")
elif operation in ("execute-change-set", "update-stack"):
    stack["status"] = ["UPDATE_IN_PROGRESS", account.get("ends", "UPDATE_COMPLETE")]
save()
"""


class Account:
    """An account as the fake `aws` keeps it."""

    def __init__(self, **changes):
        self.place = tempfile.mkdtemp(prefix="tenday-stack-")
        self.state = {"id": ACCOUNT, "region": REGION, "stacks": {}, "buckets": {}} | changes
        fake = Path(self.place, "aws")
        fake.write_text(FAKE, encoding="utf-8")
        fake.chmod(0o755)

    def run(self, *arguments, answer="", script="infra/stack.sh", environment=None):
        """(status, what it printed, the calls it made)."""
        Path(self.place, "account").write_text(repr(self.state), encoding="utf-8")
        calls = Path(self.place, "calls")
        calls.unlink(missing_ok=True)
        variables = {"PATH": f"{self.place}:{os.environ['PATH']}", "AWS_REGION": self.state["region"],
                     "TENDAY_POLL_SECONDS": "0"} | (environment or {})
        done = subprocess.run(["bash", script, *arguments], cwd=ROOT, input=answer, text=True, capture_output=True,
                              env=variables)
        self.state = ast.literal_eval(Path(self.place, "account").read_text(encoding="utf-8"))
        made = [ast.literal_eval(line) for line in calls.read_text(encoding="utf-8").splitlines()] if calls.exists() else []
        return done.returncode, done.stdout + done.stderr, made

    def close(self):
        shutil.rmtree(self.place)


def run(*arguments, account=None, **how):
    account = account or Account(stacks={name: {"status": "UPDATE_COMPLETE", "parameters": dict(PARAMETERS), "outputs": {}}
                                         for name in ("tenday", "other")})
    try:
        return account.run(*arguments, **how)
    finally:
        account.close()


def operations(calls):
    return [call[1] for call in calls]


def changed(calls):
    """The calls that change something."""
    return [operation for operation in operations(calls) if not operation.startswith(READS)]


def given(calls, operation, ships=False):
    """The parameters of a call."""
    call = next(call for call in calls if call[1] == operation)
    if ("--use-previous-template" not in call) != ships:
        raise Failed(f"{operation} ships {'no' if ships else 'another'} template")
    return {each.pop("ParameterKey"): each for each in json.loads(call[call.index("--parameters") + 1])}


def publishes(what, parameters):
    """Takes Revision out of a call's parameters, and sees that it is another than it was: the functions serve what they are."""
    found = parameters.pop("Revision", {}).get("ParameterValue", "")
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found) or found == PARAMETERS["Revision"]:
        raise Failed(f"{what} leaves the functions with what they served: Revision={found}")
    return parameters


def expect(what, found, wanted):
    if found != wanted:
        raise Failed(f"{what}: {found}, not {wanted}")


SAME = {"UsePreviousValue": True}


def of_a_stack():
    """What is done to a stack without its code."""
    status, said, calls = run("set", "DeliverConcurrency=100", 'AlarmEmail=a=b,"c"\\@example.com')
    expect(f"set ends ({said}) with", status, 0)
    expect("set gives", publishes("set", given(calls, "update-stack")), {
        "DeliverConcurrency": {"ParameterValue": "100"}, "AlarmEmail": {"ParameterValue": 'a=b,"c"\\@example.com'},
        "KeepTables": SAME})
    status, said, calls = run("set")
    expect(f"set without anything ends ({said}) with", status, 0)
    expect("set without anything gives", publishes("set without anything", given(calls, "update-stack")),
           dict.fromkeys(set(PARAMETERS) - {"Revision"}, SAME))
    older = {"tenday": {"status": "UPDATE_COMPLETE", "parameters": {"KeepTables": "false"}, "outputs": {}}}
    status, said, calls = run("set", account=Account(stacks=older))
    expect(f"set without anything, of a stack that has no versions ({said})", (status, changed(calls)), (1, []))
    status, said, calls = run("set", "KeepTables=true", account=Account(stacks=older))
    expect(f"set of a stack that has no versions ({said}) gives", given(calls, "update-stack"),
           {"KeepTables": {"ParameterValue": "true"}})
    for wrong in (["set", "Revision=1"], ["set", "Unknown=1"], ["set", "KeepTables"], ["set", "AlarmEmail=a\nb"], ["frobnicate"],
                  ["save", "--account", ACCOUNT], ["kept", "--frobnicate"], ["set", "--stack"]):
        status, said, calls = run(*wrong)
        expect(f"{wrong} ends with", status, 1)
        expect(f"{wrong} changes", changed(calls), [])
        if "error: " not in said:
            raise Failed(f"{wrong} does not say what is wrong: {said}")
    status, _, calls = run("--stack", "other", "repair", answer="y\n")
    expect("repair ends with", status, 0)
    expect("repair gives", given(calls, "create-change-set"), dict.fromkeys(PARAMETERS, SAME))
    expect("repair is of", {call[call.index("--stack-name") + 1] for call in calls}, {"other"})
    status, _, calls = run("repair", answer="n\n")
    expect("repair, refused, ends with", status, 1)
    if "execute-change-set" in operations(calls):
        raise Failed("repair, refused, changes the stack")
    status, said, _ = run("kept")
    expect("kept prints", said.splitlines(), [f"{name} id-of-{name}" for name in
                                              ("SettingsTable", "EventsTable", "KeyringKey")])
    expect("save asks for", operations(run("save")[2]), ["get-template"])


def stack(status, version="1.1.0", **more):
    """An account with a stack of that status."""
    return {"stacks": {"tenday": {
        "status": status, "template": "what ran before",
        "parameters": {"ArtefactsBucket": BUCKET, "ReleaseBefore": "", "KeepTables": "true", "Gone": "x",
                       "Revision": PARAMETERS["Revision"]},
        "outputs": {"ApiUrl": "https://api", "SettingsTableName": "settings", "Release": version}} | more},
        "buckets": {BUCKET: {"account": ACCOUNT, "region": REGION}}}


# (what is wrong, the account, the arguments, the variables, what has to be said)
INSTALL_REFUSALS = [
    ("no region", {}, [], {"AWS_REGION": "", "HOME": "/nonexistent"}, "no region"),
    ("no credentials", {"id": ""}, [], {}, "no credentials"),
    ("another account", {}, ["--account", "999988887777"], {}, f"of the account {ACCOUNT}, not 999988887777"),
    ("a stack that is there", stack("CREATE_COMPLETE"), [], {}, "there already, with version 1.1.0"),
    ("a stack that sam deployed", stack("UPDATE_COMPLETE", version="None"), [], {}, "a template that is no release"),
    ("somebody's stack", stack("CREATE_COMPLETE", description="WordPress"), [], {}, "something else (WordPress)"),
    ("a stack in the middle of an update", stack("UPDATE_IN_PROGRESS"), [], {}, "is UPDATE_IN_PROGRESS"),
    ("somebody's bucket", {"buckets": {BUCKET: {"account": "9", "region": REGION}}}, [], {}, "somebody else's"),
    ("a bucket of another region", {"buckets": {"mine": {"account": ACCOUNT, "region": "us-west-2"}}}, ["--bucket", "mine"],
     {}, "is in us-west-2"),
    ("an unknown parameter", {}, ["Keep=1"], {}, "has no parameter Keep"),
    ("no parameter", {}, ["KeepTables"], {}, "is not NAME=VALUE"),
    ("a value that is not allowed", {}, ["KeepTables=yes"], {}, "must be one of true|false"),
    ("too small a number", {}, ["DeliverConcurrency=1"], {}, "2 or more"),
    ("no number", {}, ["DeliverConcurrency=many"], {}, "must be a number"),
    ("too large a number", {}, ["AttemptTimeoutSeconds=60"], {}, "15 or less"),
    ("a value of another shape", {}, ["DashboardFrameAncestors=http://x"], {}, "must be as"),
    ("parameters that exclude each other", {}, ["AlarmEmail=a@example.com", "AlarmTopicArn=arn:aws:sns:x"], {}, "exclude each other"),
    ("a parameter without its other half", {}, ["SubnetIds=subnet-1"], {}, "SubnetIds need SecurityGroupIds"),
    ("two ways out", {}, ["SubnetIds=subnet-1", "SecurityGroupIds=sg-1", "StaticEgress=true"], {}, "exclude each other"),
    ("a firewall where none is made", {}, ["FrontIsOn=true", "FrontKey=x"], {}, "outside us-east-1"),
    ("another version", {}, ["--version", "9.9.9"], {}, "is version 1.2.0, not 9.9.9"),
    ("no release", {}, ["--from", "infra"], {}, "is no release"),
    ("no release at an address", {}, ["--from", "http://127.0.0.1:1/x"], {}, "there is no release at"),
    ("an address without TLS", {}, ["--from", "http://example.com"], {}, "by https alone"),
    ("nowhere to fetch from", {}, ["--from", ""], {}, "where is the release?"),
    ("the bucket as a parameter", {}, ["ArtefactsBucket=x"], {}, "--bucket"),
    ("the revision as a parameter", {}, ["Revision=x"], {}, "given by this script"),
    ("nobody to say yes", {}, ["--ask"], {}, "nothing was changed"),
]
UPGRADE_REFUSALS = [
    ("no stack", {}, [], {}, "there is no stack tenday"),
    ("half an installation", stack("ROLLBACK_COMPLETE"), [], {}, "install was not finished"),
    ("an update that could not be taken back", stack("UPDATE_ROLLBACK_FAILED"), [], {}, "continue-update-rollback"),
    ("a newer stack", stack("UPDATE_COMPLETE", version="1.10.0"), [], {}, "is older"),
    ("somebody's stack", stack("CREATE_COMPLETE", description="WordPress"), [], {}, "something else (WordPress)"),
    ("an unknown parameter", stack("UPDATE_COMPLETE"), ["Keep=1"], {}, "has no parameter Keep"),
    ("what excludes what the stack has", stack("UPDATE_COMPLETE", parameters={"ArtefactsBucket": BUCKET, "StaticEgress": "true"}),
     ["SubnetIds=subnet-1", "SecurityGroupIds=sg-1"], {}, "exclude each other"),
]


def refusals(command, cases, place):
    for what, account, arguments, variables, says in cases:
        arguments = arguments if "--from" in arguments else ["--from", place, *arguments]
        arguments = [each for each in arguments if each != "--ask"] if "--ask" in arguments else ["--yes", *arguments]
        status, said, calls = run(command, *arguments, account=Account(**account), environment=variables)
        expect(f"{command}, {what}: {said}, ends with", status, 1)
        if says not in said or "error: " not in said:
            raise Failed(f"{command}, {what}: says {said!r}, and not {says!r}")
        expect(f"{command}, {what}: changes", changed(calls), [])


def wrong_sums(place, scratch):
    """What is not as its sum says is not installed: changed, missing, or under another's name."""
    def change(file):
        file.write_bytes(file.read_bytes() + b"x")

    def swap(file):
        """Someone who can write the files can write their sums; the names tell."""
        file.write_bytes(b"else")
        sums = file.parent / "SHA256SUMS"
        lines = [line if file.name not in line else f"{release.digest(b'else')}  {file.name}"
                 for line in sums.read_text(encoding="utf-8").splitlines()]
        sums.write_text("\n".join(lines) + "\n", encoding="utf-8")

    for number, plant in enumerate((change, Path.unlink, swap)):
        copy = Path(scratch, f"wrong-{number}")
        shutil.copytree(place, copy)
        plant(next(copy.glob("auth-*.zip")))
        status, said, calls = run("install", "--yes", "--from", str(copy), account=Account())
        expect(f"a package {plant.__name__}d is installed: {said}", (status, changed(calls)), (1, []))
        if "auth-" not in said:
            raise Failed(f"it is not said which file is wrong: {said}")


def installs(place):
    """What a first installation does, in which order, and that it goes on where it stopped."""
    account = Account()
    status, said, calls = account.run("install", "--yes", "--from", place, "KeepTables=true")
    expect(f"install ends ({said}) with", status, 0)
    made = changed(calls)
    expect("install begins with", made[:4], ["create-bucket", "put-public-access-block", "put-bucket-encryption",
                                             "put-bucket-policy"])
    expect("install ends with", made[-2:], ["create-stack", "set-stack-policy"])
    expect("and copies", set(made[4:-2]), {"put-object"})
    expect("install gives", publishes("install", given(calls, "create-stack", ships=True)),
           {"ArtefactsBucket": {"ParameterValue": BUCKET}, "KeepTables": {"ParameterValue": "true"}})
    copied = {call[call.index("--key") + 1] for call in calls if call[1] == "put-object"}
    expect("install copies", copied, {release.PREFIX + path.name for path in Path(place).iterdir()
                                      if path.suffix in (".zip", ".yaml")})
    if any(call[call.index("--expected-bucket-owner") + 1] != ACCOUNT for call in calls if call[1] == "put-object"):
        raise Failed("a package is put into whoever's bucket")
    status, said, calls = account.run("install", "--yes", "--from", place)
    expect("install again changes", (status, changed(calls)), (0, ["set-stack-policy"]))
    if "tenday operator clients create" not in said:
        raise Failed(f"the first steps are not told: {said}")
    account.close()
    for left in ("ROLLBACK_COMPLETE", "CREATE_FAILED", "REVIEW_IN_PROGRESS", ["ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"]):
        status, said, calls = run("install", "--yes", "--from", place, account=Account(**stack(left)))
        expect(f"install after {left} ends ({said}) with", status, 0)
        expect(f"install after {left} first", changed(calls)[0], "delete-stack")
    status, said, calls = run("install", "--yes", "--from", place,
                              account=Account(**stack(["CREATE_IN_PROGRESS", "CREATE_COMPLETE"])))
    expect(f"install beside another ({said}) changes", (status, changed(calls)), (0, ["set-stack-policy"]))
    status, said, _ = run("install", "--yes", "--from", place, account=Account(ends="ROLLBACK_COMPLETE"))
    expect("an installation that fails ends with", status, 1)
    if "run this again" not in said:
        raise Failed(f"it is not said what to do: {said}")


def fetches(place):
    """A release is fetched from an address as well."""
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=place)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    status, said, calls = run("install", "--yes", "--from", f"http://127.0.0.1:{server.server_address[1]}", account=Account())
    expect(f"install from an address ends ({said}) with", status, 0)
    expect("and makes", changed(calls)[-2:], ["create-stack", "set-stack-policy"])
    server.shutdown()


def upgrades(place):
    """What an upgrade keeps, adds and leaves, and that it is asked for."""
    status, said, calls = run("upgrade", "--yes", "--from", place, "DeliverConcurrency=9",
                              account=Account(**stack("UPDATE_COMPLETE")))
    expect(f"upgrade ends ({said}) with", status, 0)
    found = publishes("upgrade", given(calls, "create-change-set", ships=True))
    before = found.pop("ReleaseBefore")["ParameterValue"]
    # What the release does not have any more is not given, and what is new has its default.
    expect("upgrade gives", found, {"ArtefactsBucket": {"ParameterValue": BUCKET}, "KeepTables": SAME,
                                    "DeliverConcurrency": {"ParameterValue": "9"}})
    keys = [call[call.index("--key") + 1] for call in calls if call[1] == "put-object"]
    expect("the last that is copied, what ran before", keys[-1], before)
    made = changed(calls)
    expect("upgrade ends with", made[-3:], ["create-change-set", "execute-change-set", "set-stack-policy"])
    status, said, calls = run("upgrade", "--from", place, answer="y\nn\n", account=Account(**stack("UPDATE_COMPLETE")))
    expect("an upgrade that is refused ends with", status, 1)
    expect("an upgrade that is refused", changed(calls)[-2:], ["create-change-set", "delete-change-set"])
    template = next(Path(place).glob("template-*.yaml")).read_text(encoding="utf-8")
    done = stack(["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"], version="1.2.0", template=template)
    status, said, calls = run("upgrade", "--yes", "--from", place, account=Account(**done, unchanged=True))
    expect(f"an upgrade again ends ({said}) with", status, 0)
    found = given(calls, "create-change-set", ships=True)
    expect("an upgrade again leaves what was before, and what is served", (found["ReleaseBefore"], found["Revision"]), (SAME, SAME))
    if "execute-change-set" in operations(calls) or "nothing changes" not in said:
        raise Failed(f"an upgrade again changes something: {said}")
    status, said, _ = run("upgrade", "--yes", "--from", place, account=Account(**stack("UPDATE_COMPLETE"),
                                                                               ends="UPDATE_ROLLBACK_COMPLETE"))
    expect("an upgrade that is taken back ends with", status, 1)
    status, said, _ = run("upgrade", "--yes", "--older", "--from", place,
                          account=Account(**stack("UPDATE_COMPLETE", version="1.10.0")))
    expect(f"an upgrade that insists on an older version ends ({said}) with", status, 0)


def rolls_back():
    status, said, calls = run("rollback", "--yes", account=Account(**stack("UPDATE_COMPLETE")))
    expect("a rollback to nowhere", (status, changed(calls)), (1, []))
    account = stack("UPDATE_COMPLETE", parameters={"ArtefactsBucket": BUCKET, "ReleaseBefore": "tenday/before-x.yaml",
                                                   "KeepTables": "true", "New": "1"})
    summary = ["ArtefactsBucket", "ReleaseBefore", "KeepTables", "Gone", "Revision", "GradualIsOn"]
    status, said, calls = run("rollback", "--yes", account=Account(**account, summary=summary))
    expect(f"rollback ends ({said}) with", status, 0)
    found = publishes("rollback", given(calls, "create-change-set", ships=True))
    if not found.pop("ReleaseBefore")["ParameterValue"].startswith("tenday/before-tenday-"):
        raise Failed("a rollback cannot be undone")
    # Steps would not begin while an alarm sounds.
    expect("rollback gives", found, {"ArtefactsBucket": SAME, "KeepTables": SAME, "GradualIsOn": {"ParameterValue": "false"}})
    before_versions = Account(**account, summary=["ArtefactsBucket", "ReleaseBefore", "KeepTables"])
    status, said, calls = run("rollback", "--yes", account=before_versions)
    expect(f"a rollback to what had no versions ({said}) gives",
           set(given(calls, "create-change-set", ships=True)), {"ArtefactsBucket", "ReleaseBefore", "KeepTables"})
    status, said, calls = run("rollback", "--yes", account=Account(**account, fails=["get-object"]))
    expect(f"a rollback to what is gone ({said})", (status, changed(calls)), (1, []))
    # Without a copy of what runs now there would be no way forward again.
    status, said, calls = run("rollback", "--yes", account=Account(**account, summary=summary, fails=["put-object"]))
    expect(f"a rollback that cannot be undone ({said})", (status, changed(calls)), (1, ["put-object"]))
    status, said, calls = run("rollback", "--yes", account=Account(**account, summary=summary, fails=["get-template"]))
    expect(f"a rollback from what nobody can tell ({said})", (status == 0, changed(calls)), (False, []))


def main():
    try:
        of_a_stack()
        with tempfile.TemporaryDirectory(prefix="tenday-release-") as scratch:
            # Kept: the linter reads its template.
            place = str(ROOT / "target/checks/release")
            shutil.rmtree(place, ignore_errors=True)
            built = Path(scratch, "built")
            built.mkdir()
            for function in (ROOT / "functions").iterdir():
                (built / function.name).write_bytes(b"a binary of " + function.name.encode())
            files = release.make("1.2.0", {"arm64": built, "x86_64": built}, with_bill=False)
            if files != release.make("1.2.0", {"arm64": built, "x86_64": built}, with_bill=False):
                raise Failed("the same binaries give another release")
            release.write(files, Path(place))
            installs(place)
            # Of one architecture, which is half the calls.
            place = str(Path(scratch, "smaller"))
            release.write(release.make("1.2.0", {"arm64": built}, with_bill=False), Path(place))
            refusals("install", INSTALL_REFUSALS, place)
            refusals("upgrade", UPGRADE_REFUSALS, place)
            wrong_sums(place, scratch)
            fetches(place)
            upgrades(place)
            rolls_back()
    except Failed as failed:
        sys.exit(str(failed))
    print(f"stack.sh asks for what it says, and refuses {len(INSTALL_REFUSALS + UPGRADE_REFUSALS)} mistakes before it changes anything")


if __name__ == "__main__":
    main()
