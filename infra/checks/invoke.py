"""Every function's binary, given its event of infra/events/ under AWS's own Lambda Runtime Interface
Emulator, which ships inside the SAM CLI; and its answer looked at, and what it did.

    invoke.py [--profile release]

A local run in memory is AWS to them, and says which variables the template gives each (`GET /_local/functions`). The
local run's own functions do what is not under test: they make the first attempts. What an event cannot hold, a token,
an id, the receiver's address, has its name in capitals in the file, and is put in here.

Needs the environment of requirements-sam.txt, the functions built in the profile, and target/debug/tenday-local.
"""

import argparse
import base64
import gzip
import json
import os
import platform
import queue
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from pathlib import Path

from local_run import ROOT, Failed, System, check
from smoke import Own, binary, free_port

EVENTS = ROOT / "infra/events"
START_SECONDS = 20
# It is cut off by the function's own limit before.
ANSWER_SECONDS = 60
EMULATOR = {"x86_64": "aws-lambda-rie-x86_64", "aarch64": "aws-lambda-rie-arm64", "arm64": "aws-lambda-rie-arm64"}


class Emulator:
    """A sandbox: one process of the function under the emulator. It takes one call at a time, and ends at two."""

    def __init__(self, function, program):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
        self.log = tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace")
        self.function = function
        emulator = Path(sysconfig.get_path("purelib")) / "samcli/local/rapid" / EMULATOR[platform.machine()]
        if not os.access(emulator, os.X_OK):
            raise Failed(f"{emulator} is no program: run in the environment of requirements-sam.txt")
        environment = function["environment"] | {
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function["timeoutSeconds"]),
        }
        self.process = subprocess.Popen(
            [emulator, "--log-level", "error", "--runtime-interface-emulator-address", f"127.0.0.1:{port}",
             "--runtime-api-address", f"127.0.0.1:{free_port()}", program],
            env=environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True)

    def invoke(self, event):
        """The function's answer."""
        request = urllib.request.Request(self.url, data=json.dumps(event).encode(), method="POST")
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as response:
                    answer = json.loads(response.read() or b"null")
                break
            except (ConnectionRefusedError, urllib.error.URLError) as error:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise Failed(f"the emulator does not answer ({error}):\n{self.tail()}") from None
                time.sleep(0.02)
        if not isinstance(answer, dict) or "errorType" in answer:
            raise Failed(f"the function fails with {answer}:\n{self.tail()}")
        return answer

    def tail(self):
        self.log.flush()
        self.log.seek(0)
        return "".join(self.log.readlines()[-20:])

    def close(self):
        # The function's process is in the session that the emulator leads.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


class Invocations:
    """The events, in an order in which each finds what it is about."""

    def __init__(self, system, profile):
        self.system, self.receiver = system, Own()
        self.functions = {
            Path(function["binary"]).name: function for function in system.request("GET", "/_local/functions").values()
        }
        self.emulators = {}
        self.profile = profile
        self.known = {"CALLBACK_URL": self.receiver.url}

    def invoke(self, name, **known):
        """The answer to `infra/events/NAME.json`, with what is known in place of its capitals."""
        if name not in self.emulators:
            self.emulators[name] = Emulator(self.functions[name], binary(name, self.profile))
        text = (EVENTS / f"{name}.json").read_text(encoding="utf-8")
        for word, value in (self.known | known).items():
            text = text.replace(word, value)
        return self.emulators[name].invoke(json.loads(text))

    def http(self, name, status, **known):
        """The body of an answer that must have this status."""
        answer = self.invoke(name, **known)
        check(answer["statusCode"] == status, f"{name}: {answer}")
        check(answer["headers"]["content-type"].startswith("application/json"), f"{name}: {answer['headers']}")
        return json.loads(answer["body"])

    def guarded(self, name, word):
        """Without a token, the function itself says so."""
        body = self.http(name, 401, **{word: "no-token"})
        check(body["error_code"] == "api_error.auth.unauthorized", f"{name}, without a token: {body}")

    def batch(self, name, **known):
        """A batch of which the second message is no good: it alone goes back to its queue."""
        event = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
        answer = self.invoke(name, **known)
        second = event["Records"][1]["messageId"]
        check(answer == {"batchItemFailures": [{"itemIdentifier": second}]}, f"{name}: {answer}")

    def view(self, event):
        return self.system.call("developer", "GET", f"/configuration/events/{event}")["event"]

    def publish(self):
        """An event whose first attempt has failed, by the local run's own hands."""
        self.receiver.down(True)
        published = self.http("updates", 202)
        self.system.settle()
        self.receiver.down(False)
        self.receiver.received.get(timeout=10)
        return published["events"][0]["eventId"]

    def run(self):
        for step in (self.auth, self.configuration, self.webhooks, self.updates, self.deliver, self.dead_letters,
                     self.ingest, self.links, self.dashboard):
            try:
                step()
            except Failed as failed:
                raise Failed(f"{step.__name__}: {failed}") from None
        if unused := set(self.functions) - set(self.emulators):
            raise Failed(f"no event for {', '.join(sorted(unused))}")
        return len(self.emulators)

    def auth(self):
        body = self.http("auth", 200)
        check((body["token_type"], body["expires_in"]) == ("Bearer", 3600), f"{body}")
        check("configuration:write" in body["scope"].split(), f"{body}")
        other = {"CLI-local-developer": "CLI-local-platform", "local-developer-secret": "local-platform-secret"}
        platforms = self.http("auth", 200, **other)
        self.known |= {"DEVELOPER_TOKEN": body["access_token"], "PLATFORM_TOKEN": platforms["access_token"]}
        body = self.http("auth", 401, **{"local-developer-secret": "wrong"})
        check(body["error"] == "invalid_client", f"{body}")

    def configuration(self):
        self.guarded("configuration", "DEVELOPER_TOKEN")
        made = self.http("configuration", 201)["configuration"]
        check(made["ipAllowlist"] == ["127.0.0.1"], f"{made}")
        again = self.http("configuration", 409)
        check(again["error_code"] == "configuration_error.already_exists", f"{again}")

    def webhooks(self):
        self.guarded("webhooks", "DEVELOPER_TOKEN")
        made = self.http("webhooks", 201)["webhook"]
        check(made["callbackURL"] == self.receiver.url, f"{made}")
        self.secret = made["secret"]

    def updates(self):
        self.guarded("updates", "PLATFORM_TOKEN")
        body = self.http("updates", 403, PLATFORM_TOKEN=self.known["DEVELOPER_TOKEN"])
        check(body["error_code"] == "api_error.auth.insufficient_scope", f"{body}")
        self.event = self.publish()
        self.guarded("events", "DEVELOPER_TOKEN")
        body = self.http("events", 200, EVENT_ID=self.event)["event"]
        check((body["id"], body["status"], body["attemptCount"]) == (self.event, "pending", 1), f"{body}")

    def deliver(self):
        self.batch("deliver", EVENT_ID=self.event)
        found = self.view(self.event)
        check((found["status"], found["attemptCount"]) == ("delivered", 2), f"{found}")
        self.receiver.verify(self.event, self.secret)
        # The same message again makes no request, and is no failure.
        self.batch("deliver", EVENT_ID=self.event)
        check(self.receiver.received.empty(), "a message that came twice was delivered twice")

    def dead_letters(self):
        event = self.publish()
        self.batch("dead-letters", EVENT_ID=event)
        found = self.view(event)
        check((found["status"], found["dropReason"]) == ("dropped", "internal"), f"{found}")

    def ingest(self):
        self.batch("ingest")
        try:
            _, body = self.receiver.received.get(timeout=30)
        except queue.Empty:
            raise Failed("what was published is not delivered") from None
        check(json.loads(body)["data"]["linkId"] == "item-1", f"{body}")

    def links(self):
        self.guarded("links", "PLATFORM_TOKEN")
        link = self.http("links", 200)["link"]
        check((link["state"], link["developerId"]) == ("connected", "DEV-local-developer"), f"{link}")

    def dashboard(self):
        answer = self.invoke("dashboard")
        check((answer["statusCode"], answer["isBase64Encoded"]) == (200, True), f"{answer}")
        check(answer["headers"]["content-encoding"] == "gzip", f"{answer['headers']}")
        page = gzip.decompress(base64.b64decode(answer["body"])).decode()
        check("<!doctype html>" in page, page)

    def close(self):
        for emulator in self.emulators.values():
            emulator.close()


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--profile", default="release", help="cargo's: release, smoke or dev [release]")
    options = arguments.parse_args()
    # What a CI machine sends when it gives up: let the processes below go too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began, system, invocations = time.monotonic(), None, None
    try:
        system = System("--parameter", "IngestIsOn=true")
        system.wait()
        invocations = Invocations(system, options.profile)
        count = invocations.run()
    except Failed as failed:
        print(f"invoke: {failed}", file=sys.stderr)
        if system and system.process.poll() is not None:
            print(f"the local run has ended; its last lines:\n{system.tail()}", file=sys.stderr)
        return 1
    finally:
        if invocations:
            invocations.close()
        if system:
            system.close()
    print(f"{count} functions answer their events, in {time.monotonic() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
