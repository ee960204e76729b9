"""The local run in a process of its own, with nothing kept, and its API: what the checks that need a whole system share.

Needs a built `target/debug/tenday-local`.
"""

import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / "target/debug/tenday-local"
# The local run asks cargo first whether the functions are built.
START_SECONDS = 900
REST_SECONDS = 30

DEVELOPER = "DEV-local-developer"
LOCAL_CLIENTS = {who: (f"CLI-local-{who}", f"local-{who}-secret") for who in ("developer", "other", "platform")}

# Nothing here leaves this machine, whatever the environment says of proxies.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"


class Failed(Exception):
    """What does not hold, for whoever reads the log."""


_checks = 0


def check(holds, message):
    global _checks
    _checks += 1
    if not holds:
        raise Failed(message)


def checks():
    """How many were made."""
    return _checks


class Api:
    """A deployment's API, for clients by name: (id, secret). Unless told, those that every local run knows."""

    def __init__(self, url, clients=LOCAL_CLIENTS):
        self.url, self.clients, self.tokens = url, clients, {}

    def answer(self, method, path, body=None, headers=None):
        """The status and the JSON body."""
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def page(self, path):
        """What a browser gets that must get something."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=30) as response:
                return response.read().decode()
        except urllib.error.HTTPError as error:
            raise Failed(f"GET {path} is a {error.code}: {error.read().decode()}") from None

    def request(self, method, path, body=None, headers=None):
        """The JSON body of an answer that must be a success."""
        status, answer = self.answer(method, path, body, headers)
        if status >= 300:
            raise Failed(f"{method} {path} is a {status}: {answer}")
        return answer

    def token(self, who):
        """A token of the client of that name, asked for once."""
        if who not in self.tokens:
            identity, secret = self.clients[who]
            form = urllib.parse.urlencode(
                {"grant_type": "client_credentials", "client_id": identity, "client_secret": secret})
            self.tokens[who] = self.request("POST", "/auth/token", form.encode())["access_token"]
        return self.tokens[who]

    def call(self, who, method, path, body=None, *, send=None):
        headers = {"authorization": f"Bearer {self.token(who)}", "content-type": "application/json"}
        if body is not None and not isinstance(body, str):
            body = json.dumps(body)
        return (send or self.request)(method, path, body.encode() if body else None, headers)

    def try_call(self, who, method, path, body=None):
        """The status and the JSON body, whichever they are."""
        return self.call(who, method, path, body, send=self.answer)

    def publish(self, name, **what):
        return self.call("platform", "POST", "/updates", {"developerId": DEVELOPER, "eventName": name} | what)

    def settle(self):
        until = time.monotonic() + REST_SECONDS
        while "true" not in json.dumps(self.request("GET", "/_local/idle")):
            if time.monotonic() > until:
                raise Failed("the local run does not come to rest")
            time.sleep(0.05)

    def advance(self, seconds):
        """Moves the local run's clock ahead."""
        self.request("POST", "/_local/clock/advance", json.dumps({"seconds": seconds}).encode())


class System(Api):
    """The process. `arguments` are more of the local run's own."""

    def __init__(self, *arguments):
        super().__init__(None)
        self.log = tempfile.TemporaryFile(mode="w+", encoding="utf-8")
        self.process = subprocess.Popen([LOCAL, "--memory", "--port", "0", "--json", *arguments],
                                        stdout=subprocess.PIPE, stderr=self.log, text=True, encoding="utf-8", cwd=ROOT)
        self.ready = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def wait(self):
        """Until it listens."""
        try:
            self.url = self.ready.get(timeout=START_SECONDS)
        except queue.Empty:
            pass
        if self.url is None:
            raise Failed("the local run does not start")

    def read(self):
        """Until the process ends, so that it never waits for a reader."""
        for line in self.process.stdout:
            self.log.write(line)
            try:
                _, found, url = json.loads(line)["message"].partition("ready at ")
            except (ValueError, KeyError, TypeError):
                continue
            if found:
                self.ready.put(url)
        self.ready.put(None)

    def lines(self):
        """What it has logged."""
        self.log.flush()
        self.log.seek(0)
        return self.log.readlines()

    def tail(self):
        return "".join(self.lines()[-30:])

    def close(self):
        # It ends its functions' processes, and again is for when it does not.
        for how in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                self.process.send_signal(how)
                try:
                    self.process.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    continue
