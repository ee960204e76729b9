"""A release, installed by its own stack.sh on MiniStack with the real AWS CLI, upgraded and rolled back, each tried by the
main path; and begun again after each of its calls failed.

    install.py [--profile release]

Two versions are made of the built functions; the second one's binaries differ in a byte at the end, so that its packages
are others. What MiniStack leaves undone of a stack, `ministack.py` does, as it tells there.

Runs in the environment of requirements-ministack.txt; needs target/venv-sam, target/venv-shell, and the functions and
tenday built.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import smoke
from local_run import ROOT, Failed, check
from ministack import PARAMETERS, ROOT_KEYS, STACK, Deeper, Deployment, main_of, started

ACCOUNT = "000000000000"
BUCKET = f"tenday-artefacts-{ACCOUNT}-us-east-1"
# An `aws` that fails at the Nth call of one operation, and works otherwise.
FLAKY = """#!/usr/bin/env bash
read -r operation left <{place}/fails
if [ "$2" = "$operation" ]; then
    echo "$operation $((left - 1))" >{place}/fails
    if [ "$left" = 1 ]; then echo "planted: $2" >&2; exit 255; fi
fi
exec {aws} "$@"
"""
# Every kind of call that changes something, in the order in which they come.
INSTALL_FAILS = [("create-bucket", 1), ("put-public-access-block", 1), ("put-bucket-encryption", 1), ("put-bucket-policy", 1),
                 ("put-object", 1), ("put-object", 12), ("create-stack", 1), ("set-stack-policy", 1)]
UPGRADE_FAILS = [("put-object", 16), ("create-change-set", 1), ("execute-change-set", 1), ("set-stack-policy", 1)]
ROLLBACK_FAILS = [("put-object", 1), ("create-change-set", 1), ("execute-change-set", 1)]


class Installer:
    """stack.sh of a release, with an `aws` whose calls can be made to fail."""

    def __init__(self, ministack, place):
        self.place = place
        aws = ROOT / "target/venv-shell/bin/aws"
        tools = place / "bin"
        tools.mkdir()
        (tools / "aws").write_text(FLAKY.format(aws=aws, place=place), encoding="utf-8")
        (tools / "aws").chmod(0o755)
        self.environment = ROOT_KEYS | {"PATH": f"{tools}:{os.environ['PATH']}", "AWS_ENDPOINT_URL": ministack.endpoint,
                                        "HOME": str(place), "TENDAY_POLL_SECONDS": "0.3"}

    def run(self, release, *arguments, fails=("nothing", 1)):
        """(status, what it said). `fails` is (an operation, which of its calls fails)."""
        (self.place / "fails").write_text(f"{fails[0]} {fails[1]}\n", encoding="utf-8")
        done = subprocess.run(["bash", f"{release}/stack.sh", *arguments], env=self.environment, cwd=self.place,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout

    def must(self, release, *arguments, after=()):
        """What it said, having failed at each of the calls of `after` and been begun again."""
        for fails in after:
            status, said = self.run(release, *arguments, fails=fails)
            check(status != 0 and f"planted: {fails[0]}" in said, f"stack.sh {arguments[0]} goes on without {fails}:\n{said}")
        status, said = self.run(release, *arguments)
        check(status == 0, f"stack.sh {' '.join(arguments)} ends with {status}:\n{said}")
        return said


def binaries(place, profile, end):
    """Copies of the functions' binaries with `end` after them. What a debugger reads is left out: nobody installs it."""
    place.mkdir()
    for function in sorted(path.name for path in (ROOT / "functions").iterdir()):
        copy = place / function
        shutil.copy(smoke.binary(function, profile), copy)
        if profile == "dev":
            subprocess.run(["strip", copy], check=True)
        with open(copy, "ab") as file:
            file.write(end)
    return place


def released(place, version, built):
    """A release of this machine's architecture, made as a person makes one."""
    kind = {"aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    out = place / f"release-{version}"
    subprocess.run(["bash", "infra/release.sh", "--version", version, "--out", out, "--built", f"{kind}={built}"], cwd=ROOT,
                   check=True, stdout=subprocess.DEVNULL)
    return out


def runs(deployment, version):
    deployment.adopt()
    check(deployment.outputs.get("Release") == version, f"the stack runs {deployment.outputs.get('Release')}, not {version}")


class Again(Deeper):
    """The main path once more, where schedules of the first time still wait."""

    waiting = smoke.Smoke.waiting


def tried(deployment, version, path=Again):
    """The main path through what is installed."""
    runs(deployment, version)
    try:
        return path(deployment).run()
    except Failed as failed:
        raise Failed("\n".join([str(failed), *deployment.complaints()])) from None


class Installed(Deployment):
    """The stack that stack.sh made."""

    def __init__(self, ministack):
        self.ministack, self.client, self.stack = ministack, ministack.client, STACK

    def code(self):
        """What Deliver runs, by its hash."""
        return self.served("Deliver")["CodeSha256"]

    def served(self, name, alias="live"):
        """What is called when a function is: code and settings of the version that its alias serves."""
        return self.client("lambda").get_function_configuration(FunctionName=self.names[name], Qualifier=alias)

    def functions(self):
        return [name for name, resource in self.template["Resources"].items()
                if resource["Type"] == "AWS::Lambda::Function" and name in self.names]

    def level(self, name, alias="live"):
        return self.served(name, alias)["Environment"]["Variables"]["AWS_LAMBDA_LOG_LEVEL"]


def bucket_is_closed(ministack):
    s3 = ministack.client("s3")
    blocked = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    check(len(blocked) == 4 and all(blocked.values()), f"the bucket is public: {blocked}")
    rules = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    check(rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256", f"the bucket is not encrypted: {rules}")


def settings_are_taken_up(installer, deployment, release):
    """A parameter that stack.sh changes is what every function serves, and one that another way changes is not, until it does."""
    functions = deployment.functions()
    before = {name: deployment.served(name)["Version"] for name in functions}
    installer.must(release, "set", "LogLevel=warn")
    for name in functions:
        check(deployment.level(name) == "warn", f"{name} serves what it did before the level was changed")
        check(deployment.served(name)["Version"] != before[name], f"{name} has no version of its own for the level")
    # As in the console, where nobody changes Revision along.
    client = deployment.client("cloudformation")
    client.update_stack(StackName=STACK, UsePreviousTemplate=True, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
                        Parameters=[{"ParameterKey": each["ParameterKey"]} | (
                            {"ParameterValue": "error"} if each["ParameterKey"] == "LogLevel" else {"UsePreviousValue": True})
                            for each in client.describe_stacks(StackName=STACK)["Stacks"][0]["Parameters"]])
    while client.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"].endswith("IN_PROGRESS"):
        time.sleep(0.3)
    levels = {(deployment.level(name), deployment.level(name, "$LATEST")) for name in functions}
    check(levels == {("warn", "error")}, f"without another revision, the functions serve and have {levels}")
    installer.must(release, "set")
    levels = {deployment.level(name) for name in functions}
    check(levels == {"error"}, f"`set` does not take up what another way changed: {levels}")
    installer.must(release, "set", "LogLevel=info")


def try_it(profile):
    with tempfile.TemporaryDirectory(prefix="tenday-install-", ignore_cleanup_errors=True) as place, started() as ministack:
        place = Path(place)
        first = released(place, "1.0.0", binaries(place / "built-1", profile, b""))
        second = released(place, "1.1.0", binaries(place / "built-2", profile, b"\n"))
        again = released(place, "1.0.0-again", place / "built-1")
        zips = [sorted(path.name for path in each.glob("*.zip")) for each in (first, again)]
        check(zips[0] == zips[1], "the same binaries give other packages")
        installer, deployment = Installer(ministack, place), Installed(ministack)
        parameters = [f"{name}={value}" for name, value in PARAMETERS.items()]

        # Whatever call fails, the same command goes on where it was.
        installer.must(first, "install", "--yes", *parameters, after=INSTALL_FAILS[:-1])
        said = installer.must(first, "install", "--yes", after=INSTALL_FAILS[-1:])
        check("tenday operator clients create --platform" in said, f"the first steps are not told:\n{said}")
        bucket_is_closed(ministack)
        done = tried(deployment, "1.0.0", Deeper)
        code = deployment.code()
        settings_are_taken_up(installer, deployment, first)

        installer.must(second, "upgrade", "--yes", "AttemptTimeoutSeconds=7", after=UPGRADE_FAILS)
        tried(deployment, "1.1.0")
        check(deployment.code() != code, "the upgrade leaves the code as it was")
        status, said = installer.run(first, "upgrade", "--yes")
        check(status == 1 and "is older" in said, f"an older version is deployed without a word: {said}")

        installer.must(second, "rollback", "--yes", after=ROLLBACK_FAILS)
        tried(deployment, "1.0.0")
        check(deployment.code() == code, "the rollback brings other code back")
        installer.must(second, "rollback", "--yes")
        runs(deployment, "1.1.0")
        count = len(INSTALL_FAILS + UPGRADE_FAILS + ROLLBACK_FAILS)
        return f"installed, upgraded, rolled back and forth, begun again after {count} failed calls; {done} each time"


if __name__ == "__main__":
    sys.exit(main_of("install", __doc__, try_it))
