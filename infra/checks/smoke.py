"""The main path of a deployment, from outside: the same for `cargo local`, MiniStack and AWS.

    smoke.py --local [URL]     a local run, unless named one of its own; deliveries arrive at a receiver of this process
    smoke.py                   a deployment, which the environment names:

    TENDAY_BASE_URL            the stack's output ApiUrl
    TENDAY_DEVELOPER           a developer of this check's own: its configuration is deleted, before and after
    TENDAY_CLIENT_ID, TENDAY_CLIENT_SECRET                      that developer's client
    TENDAY_PLATFORM_CLIENT_ID, TENDAY_PLATFORM_CLIENT_SECRET    the platform's
    TENDAY_RECEIVER            optional: https URL of a receiver that answers 2xx,
    TENDAY_RECEIVER_ADDRESSES  and its addresses, separated by commas

Without a receiver every attempt is made at an address that is not in the allowlist, and is recorded as `blocked` with
nothing sent: that is the whole path too, from the update to its history. No deployment sends to this machine, which is
asserted. What it leaves behind expires by itself.

Needs nothing but Python 3.11.
"""

import argparse
import base64
import hashlib
import hmac
import http.server
import json
import os
import queue
import re
import signal
import socket
import sys
import threading
import time
import urllib.parse
import uuid
from datetime import UTC, datetime, timedelta

from local_run import DEVELOPER as LOCAL_DEVELOPER, LOCAL_CLIENTS, ROOT, Api, Failed, System, check, checks

DEVELOPER = "DEV-smoke"
# Of what is on the queues (shared/store/src/delivery/message.rs).
MESSAGE_VERSION = 1
# Until a delivery shows in the history; a sandbox may have to start on the way.
ARRIVAL_SECONDS = 60
# Public, and nobody's business: never connected to, because the allowlist has another.
NOT_ALLOWED = "https://1.1.1.1/tenday"
ALLOWED_INSTEAD = "9.9.9.9"

def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def binary(name, profile):
    """Where cargo leaves a binary."""
    file = ROOT / "target" / ("debug" if profile == "dev" else profile) / name
    if not file.is_file():
        raise Failed(f"{file} does not exist: build it first, as .ci/run does")
    return file


class Nowhere:
    """No receiver: what the deployment is asked to send to is not in the allowlist."""

    url, addresses, arrives, outcome = NOT_ALLOWED, [ALLOWED_INSTEAD], False, "blocked"

    def down(self, is_down):
        pass

    def verify(self, event, secret):
        pass


class Elsewhere(Nowhere):
    """Somebody's receiver, which is up."""

    arrives, outcome = True, None

    def __init__(self, url, addresses):
        self.url, self.addresses = url, addresses


class Own:
    """A receiver in this process, which answers 204, or 500 while it is down. Only a local run sends to it."""

    addresses, arrives, outcome = ["127.0.0.1"], True, "http_status"

    def __init__(self):
        received = self.received = queue.Queue()
        self.is_down = threading.Event()
        is_down = self.is_down

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                received.put(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(500 if is_down.is_set() else 204)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}/hook"

    def down(self, is_down):
        (self.is_down.set if is_down else self.is_down.clear)()

    def verify(self, event, secret):
        """What arrived is the event, and is signed (verify.py asks the official libraries)."""
        headers, body = self.received.get(timeout=ARRIVAL_SECONDS)
        check(headers["webhook-id"] == event, f"{headers['webhook-id']} arrived, not {event}")
        signed = f"{event}.{headers['webhook-timestamp']}.".encode() + body
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signature = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        check(signature in headers["webhook-signature"].split(), f"the signature of {event} is not of its secret")


class Smoke:
    """The main path, of `developer` with their client and the platform's."""

    def __init__(self, api, developer, receiver):
        self.api, self.developer, self.receiver = api, developer, receiver
        self.run_id = uuid.uuid4().hex[:22]

    def get(self, path):
        return self.api.call("developer", "GET", path)

    def post(self, path, body=None):
        return self.api.call("developer", "POST", path, body)

    def refused(self, who, method, path, body, status, code):
        got, answer = self.api.try_call(who, method, path, body)
        answer = json.loads(answer) if isinstance(answer, str) and answer.startswith("{") else answer
        found = answer.get("error_code") if isinstance(answer, dict) else answer
        check((got, found) == (status, code), f"{method} {path} is a {got} {found}, not a {status} {code}")
        check(answer["request_id"], f"{method} {path}: the error has no request_id")

    def wait(self, what, holds):
        """What `holds` answers, once it answers something."""
        until, pause = time.monotonic() + ARRIVAL_SECONDS, 0.05
        while not (found := holds()):
            if time.monotonic() > until:
                raise Failed(f"{what} does not come about within {ARRIVAL_SECONDS} s")
            time.sleep(pause)
            pause = min(2 * pause, 1)
        return found

    def run(self):
        began = time.monotonic()
        for step in (self.tokens, self.contract, self.pages, self.configuration, self.webhook, self.publishing, self.dropping,
                     self.test_event, self.rotation, self.deletion, self.waiting, self.end):
            try:
                step()
            except Failed as failed:
                raise Failed(f"{step.__name__}: {failed}") from None
        return f"{checks()} checks in {time.monotonic() - began:.1f} s"

    def tokens(self):
        self.api.token("developer")
        self.api.token("platform")
        identity, _ = self.api.clients["developer"]
        form = urllib.parse.urlencode(
            {"grant_type": "client_credentials", "client_id": identity, "client_secret": "wrong"})
        status, answer = self.api.answer("POST", "/auth/token", form.encode())
        check((status, json.loads(answer)["error"]) == (401, "invalid_client"), f"a wrong secret is a {status}")
        keys = self.api.request("GET", "/.well-known/jwks.json")["keys"]
        check(any(key.get("alg") == "ES256" for key in keys), "there is no public key")

    def contract(self):
        status, answer = self.api.answer("GET", "/configuration")
        code = json.loads(answer)["error_code"]
        check((status, code) == (401, "api_error.auth.unauthorized"), f"without a token: {status} {code}")
        self.refused("developer", "GET", "/no/such/route", None, 404, "api_error.route_not_found")
        self.refused("developer", "PUT", "/configuration", {}, 405, "api_error.method_not_allowed")
        update = {"developerId": self.developer, "eventName": "transactions.updated", "data": {"linkId": "item-1"}}
        self.refused("developer", "POST", "/updates", update, 403, "api_error.auth.insufficient_scope")
        check(self.api.request("GET", "/openapi.json")["openapi"].startswith("3.1"), "the document is no OpenAPI 3.1")

    def pages(self):
        """The developers' dashboard, a file of it, and the reference; and what is not there."""
        page = self.api.page("/dashboard")
        script = re.search(r'src="(/dashboard/[\w-]+/app\.js)"', page)
        check(script and self.api.page(script[1]), f"the dashboard has no script: {page}")
        check('id="api_error.route_not_found"' in self.api.page("/docs"), "the reference does not explain an error")
        self.refused("developer", "GET", "/dashboard/no/such/file.js", None, 404, "api_error.route_not_found")

    def configuration(self):
        status, _ = self.api.try_call("developer", "DELETE", "/configuration")
        check(status in (200, 404), f"clearing up is a {status}")
        body = {"name": f"smoke {self.run_id}", "ipAllowlist": self.receiver.addresses}
        made = self.post("/configuration", body)["configuration"]
        check(made["dateFormat"] == "ISO", f"{made}")
        self.refused("developer", "POST", "/configuration", body, 409, "configuration_error.already_exists")
        changed = self.api.call("developer", "PATCH", "/configuration", {"ipAllowlist": ["149.112.112.112"]})
        check(len(changed["configuration"]["ipAllowlist"]) == len(self.receiver.addresses) + 1, f"{changed}")

    def webhook(self):
        if not isinstance(self.receiver, Own):
            # Not even with the address in the allowlist: nothing that can be deployed allows it.
            for url in ("https://127.0.0.1/", "https://169.254.169.254/latest/", "http://example.com/"):
                self.refused("developer", "POST", "/configuration/webhooks", {"callbackURL": url}, 400,
                             "api_error.request.validation_failed")
        body = {"eventName": "DATA_UPDATES", "callbackURL": self.receiver.url, "retrySchedule": [1]}
        made = self.post("/configuration/webhooks", body)["webhook"]
        self.id, self.secret = made["id"], made["secret"]
        check(self.get(f"/configuration/webhooks/{self.id}/secret")["secret"] == self.secret, "the secret is another")
        check(self.get("/configuration")["configuration"]["webhookIds"] == [self.id], "it is not in the configuration")

    def publish(self, item):
        """One event of one update, published twice."""
        update = {"developerId": self.developer, "eventName": "transactions.updated", "id": f"{self.run_id}-{item}",
                  "data": {"linkId": item, "newTransactions": 3}}
        published = self.api.call("platform", "POST", "/updates", update)
        again = self.api.call("platform", "POST", "/updates", update)
        check(again == published, "the same update has other ids")
        check(len(published["events"]) == 1, f"one webhook, but {published}")
        self.update = published["updateId"]
        return published["events"][0]["eventId"]

    def event(self, event, **wanted):
        """The event, once it is as wanted."""
        def holds():
            status, found = self.api.try_call("developer", "GET", f"/configuration/events/{event}")
            found = found["event"] if status == 200 else {}
            return found if all(found.get(name) == value for name, value in wanted.items()) else None
        return self.wait(f"{event} as {wanted}", holds)

    def publishing(self):
        event = self.publish("item-1")
        if self.receiver.arrives:
            found = self.event(event, status="delivered")
            check(found["lastAttempt"]["outcome"] == "success", f"{found}")
            self.receiver.verify(event, self.secret)
        else:
            self.event(event, status="dropped")
        seen = self.api.call("platform", "GET", f"/updates/{self.update}")
        check(seen["events"][0]["eventId"] == event, f"the platform sees {seen}")
        history = self.get(f"/configuration/webhooks/{self.id}/events")["events"]
        check([found["id"] for found in history] == [event], f"the history is {history}")
        if self.receiver.arrives and self.receiver.outcome is None:
            self.dropped = None
            return
        # A delivery that fails, if the first one did not.
        self.dropped = event
        if self.receiver.arrives:
            self.receiver.down(True)
            self.dropped = self.publish("item-2")

    def dropping(self):
        if self.dropped is None:
            return
        event = self.dropped
        found = self.event(event, status="dropped")
        check((found["attemptCount"], found["dropReason"]) == (2, "attempts_spent"), f"{found}")
        check(found["lastAttempt"]["outcome"] == self.receiver.outcome, f"{found['lastAttempt']}")
        page = "/configuration/webhooks/retrievals"

        def listed():
            return [found["id"] for found in self.get(f"{page}?webhookId={self.id}")["events"]]

        self.wait("the dropped event in the list", lambda: listed() == [event])
        self.receiver.down(False)
        answer = self.post(f"{page}/{event}")
        check(answer["success"] is self.receiver.arrives, f"a reattempt answers {answer}")
        self.wait("the list without what was delivered", lambda: (event in listed()) is not self.receiver.arrives)
        if not self.receiver.arrives:
            responses = self.post(page)["responses"]
            check([response["eventId"] for response in responses] == [event], f"all reattempted: {responses}")

    def test_event(self):
        made = self.post("/configuration/webhooks",
                         {"eventName": "link.state_changed", "callbackURL": self.receiver.url, "retrySchedule": [1]})
        webhook, link = made["webhook"]["id"], f"mk_{self.run_id}"
        path, body = f"/webhooks/test/link/{link}", {"webhook_event": "link.state_changed",
                                                     "webhook_idempotency_key": self.run_id}
        self.refused("developer", "POST", path, body, 404, "link_error.not_found")
        self.api.call("platform", "PUT", f"/links/{link}", {
            "developerId": self.developer, "environment": "sandbox", "state": "connected",
            "products": ["accounts", "transactions"]})
        check(self.api.call("platform", "GET", f"/links/{link}")["link"]["state"] == "connected", "no link")
        token = self.post(path, body)["delivery_token"]
        check(token.startswith("UPD-"), f"the delivery token is {token}")
        status = "delivered" if self.receiver.arrives else "dropped"
        self.wait("the test event in the history", lambda: [
            found for found in self.get(f"/configuration/webhooks/{webhook}/events")["events"]
            if (found["updateId"], found["status"]) == (token, status)])
        self.api.call("platform", "DELETE", f"/links/{link}")
        self.refused("developer", "POST", path, body, 410, "link_error.deleted")

    def rotation(self):
        path = f"/configuration/webhooks/{self.id}/secret"
        new = self.post(f"{path}/rotate", {"overlapSeconds": 60})["secret"]
        check(new != self.secret and self.get(path)["secret"] == new, "the secret is not rotated")

    def deletion(self):
        path = f"/configuration/webhooks/{self.id}"
        request = self.api.call("developer", "DELETE", path)["requestId"]
        self.refused("developer", "GET", path, None, 404, "webhook_error.not_found")
        restored = self.post(f"/configuration/webhooks/restore/{request}")["webhook"]
        check(restored["id"] == self.id, f"restored is {restored}")
        check(len(self.get(f"{path}/events")["events"]) >= 1, "its events are gone")
        changed = self.api.call("developer", "PATCH", path, {"status": "disabled"})["webhook"]
        check(changed["id"] == self.id and self.get(path)["webhook"]["status"] == "disabled", f"changed is {changed}")
        self.api.call("developer", "DELETE", path)

    def waiting(self):
        """A wait of more than 15 minutes is a schedule's."""
        if self.receiver.outcome is None:
            return None
        self.receiver.down(True)
        body = {"eventName": "DATA_UPDATES", "callbackURL": self.receiver.url, "retrySchedule": [3600]}
        self.post("/configuration/webhooks", body)
        event = self.publish("item-3")
        found = self.event(event, status="pending", attemptCount=1)
        due = datetime.fromisoformat(found["nextAttemptTime"])
        after = due - datetime.fromisoformat(found["lastAttempt"]["time"])
        check(timedelta(minutes=30) < after < timedelta(minutes=90), f"the next attempt is due {after} later, at {due}")
        check(due.tzinfo == UTC, f"{due} is in no zone")
        return event

    def end(self):
        request = self.api.call("developer", "DELETE", "/configuration")["requestId"]
        self.refused("developer", "GET", "/configuration", None, 404, "configuration_error.not_found")
        restored = self.post(f"/configuration/restore/{request}")["configuration"]
        check((restored["ipAllowlist"], restored["webhookIds"]) == ([], []), f"restored is {restored}")
        self.api.call("developer", "DELETE", "/configuration")


def from_environment():
    """What a deployment is tried with."""
    names = ("TENDAY_BASE_URL", "TENDAY_DEVELOPER", "TENDAY_CLIENT_ID", "TENDAY_CLIENT_SECRET",
             "TENDAY_PLATFORM_CLIENT_ID", "TENDAY_PLATFORM_CLIENT_SECRET")
    if missing := [name for name in names if not os.environ.get(name)]:
        raise Failed(f"not set: {', '.join(missing)}")
    url, developer, client, secret, platform, platforms_secret = (os.environ[name] for name in names)
    receiver = Nowhere()
    if os.environ.get("TENDAY_RECEIVER"):
        addresses = os.environ.get("TENDAY_RECEIVER_ADDRESSES", "").split(",")
        receiver = Elsewhere(os.environ["TENDAY_RECEIVER"], addresses)
    clients = {"developer": (client, secret), "platform": (platform, platforms_secret)}
    return Smoke(Api(url.rstrip("/"), clients), developer, receiver)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--local", metavar="URL", nargs="?", const="", help="a local run, `cargo local`")
    options = arguments.parse_args()
    # What a CI machine sends when it gives up: let the processes below go too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    system = None
    try:
        if options.local is None:
            tried = from_environment()
        else:
            if not options.local:
                system = System()
                system.wait()
            url = system.url if system else options.local.rstrip("/")
            tried = Smoke(Api(url, LOCAL_CLIENTS), LOCAL_DEVELOPER, Own())
        print(tried.run())
    except Failed as failed:
        print(f"smoke: {failed}", file=sys.stderr)
        return 1
    finally:
        if system:
            system.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
