"""A stated rate of updates, from the publisher to the receiver: what arrives, how late, how often, and what it costs.

    load.py --local --rate 50 --seconds 20      a local run of its own
    load.py --rate 50 --seconds 20              a deployment, which the environment names as for smoke.py

It publishes `--rate` updates a second, evenly, for `--seconds`, and never more: one that is late is not made up for. The
receiver is this process: on a deployment TENDAY_RECEIVER is an https URL that leads to `--listen` on this machine, and
TENDAY_RECEIVER_ADDRESSES its addresses. Without one, attempts are `blocked`, with nothing sent: the first five take the place of
arrivals, then the webhook's breaker is open and the others are put off, so that it tells of rate and losses, hardly of latency. Before a deployment is touched it says what the load will cost, and refuses more than `--dollars`.

It ends with 1 if an event was lost: accepted, and neither arrived nor attempted within `--wait` seconds after the last.

Needs nothing but Python 3.11, and cargo where it is local; load_stack.sh makes the clients for a stack.
"""

import argparse
import collections
import concurrent.futures
import http.client
import http.server
import json
import os
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid
from datetime import datetime

from local_run import DEVELOPER as LOCAL_DEVELOPER, LOCAL_CLIENTS, ROOT, Api, Failed, System
from smoke import ALLOWED_INSTEAD, NOT_ALLOWED

# Of a million updates to one webhook, delivered at the first attempt (docs/deploy.md, What it costs).
DOLLARS_FOR_A_MILLION = 5.69
MOST_RATE, MOST_SECONDS = 2_000, 3_600
THREADS = 64


class Receiver:
    """Notes when each event came."""

    def __init__(self, port):
        self.arrived = collections.defaultdict(list)
        arrived = self.arrived

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                now = time.time()
                self.rfile.read(int(self.headers["content-length"]))
                arrived[self.headers["webhook-id"]].append(now)
                self.send_response(204)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads, request_queue_size = True, 512

        self.server = Server(("127.0.0.1" if port == 0 else "0.0.0.0", port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Publisher:
    """Publishes evenly, each request on a connection that its thread keeps."""

    def __init__(self, url, bearer, developer):
        self.url, self.developer = urllib.parse.urlsplit(url), developer
        self.headers = {"authorization": f"Bearer {bearer}", "content-type": "application/json"}
        self.run_id = uuid.uuid4().hex[:12]
        self.kept = threading.local()

    def post(self, number):
        """(status, event ids, when it was sent, how long it took)"""
        body = json.dumps({"developerId": self.developer, "eventName": "transactions.updated", "id": f"load-{self.run_id}-{number}",
                           "data": {"linkId": f"item-{number % 100}", "newTransactions": 1}})
        began = time.time()
        for fresh in (False, True):
            try:
                connection = self.connection(fresh)
                connection.request("POST", self.url.path + "/updates", body, self.headers)
                response = connection.getresponse()
                answer = response.read()
                break
            except (OSError, http.client.HTTPException):
                # A kept connection may be over by now; the update has an id, so that again is the same.
                if fresh:
                    return 0, [], began, time.time() - began
        events = [each["eventId"] for each in json.loads(answer)["events"]] if response.status == 202 else []
        return response.status, events, began, time.time() - began

    def connection(self, fresh):
        if fresh or getattr(self.kept, "connection", None) is None:
            kind = http.client.HTTPSConnection if self.url.scheme == "https" else http.client.HTTPConnection
            self.kept.connection = kind(self.url.netloc, timeout=30)
        return self.kept.connection

    def run(self, rate, seconds):
        """What came of each, at most `rate * seconds` of them."""
        began, pending = time.monotonic(), []
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            for number in range(int(rate * seconds)):
                due = began + number / rate
                now = time.monotonic()
                if due > now:
                    time.sleep(due - now)
                elif now - due > 1:
                    # This machine is too slow for the rate: what is left out is told, and not hurried after.
                    continue
                if time.monotonic() - began >= seconds:
                    break
                pending.append(pool.submit(self.post, number))
        return [each.result() for each in pending], time.monotonic() - began


def percentiles(values):
    values = sorted(values)
    at = lambda part: values[min(len(values) - 1, int(part * len(values)))]
    return " ".join(f"{name} {1000 * at(part):.0f} ms" for name, part in
                    (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1))) if values else "none"


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def attempts_of(api, events):
    """When each event was first attempted, or nothing of one that was put off; by the history, where there is no receiver."""
    found = {}
    for event in events:
        status, answer = api.try_call("developer", "GET", f"/configuration/events/{event}")
        if status != 200:
            continue
        attempts = answer["event"].get("attempts")
        # Five in a row that fail open the webhook's breaker: the others are put off, which is written down too.
        if attempts or answer["event"].get("nextAttemptTime"):
            found[event] = [moment(each["time"]) for each in attempts[:1]]
    return found


def load(api, developer, receiver, options):
    """Prints what came of it; true if nothing was lost."""
    api.try_call("developer", "DELETE", "/configuration")
    url = options.receiver or NOT_ALLOWED
    addresses = options.addresses or [ALLOWED_INSTEAD]
    api.call("developer", "POST", "/configuration", {"name": "load", "ipAllowlist": addresses})
    webhook = {"eventName": "DATA_UPDATES", "callbackURL": url, "retrySchedule": [60]}
    api.call("developer", "POST", "/configuration/webhooks", webhook)
    publisher = Publisher(api.url, api.token("platform"), developer)
    answers, took = publisher.run(options.rate, options.seconds)
    sent = {event: began for status, events, began, _ in answers for event in events}

    until = time.monotonic() + options.wait
    arrived = receiver.arrived if options.receiver else {}
    while time.monotonic() < until and any(event not in arrived for event in sent):
        if not options.receiver:
            arrived |= attempts_of(api, [event for event in sent if event not in arrived])
        time.sleep(0.5)
    arrived = {event: list(times) for event, times in arrived.items() if event in sent}
    statuses = collections.Counter(status for status, *_ in answers)
    lost = [event for event in sent if event not in arrived]
    copies = sum(len(times[1:]) for times in arrived.values())
    lags = [times[0] - sent[event] for event, times in arrived.items() if times]
    what = "arrived" if options.receiver else "taken"
    print(f"published   {len(answers)} in {took:.1f} s: {len(answers) / max(took, options.seconds):.1f} a second, of {options.rate} asked for")
    print(f"accepted    {len(sent)}; answers {dict(sorted(statuses.items()))}")
    print(f"throttled   {statuses[429] + statuses[503]}")
    print(f"{what:<11} {len(arrived)}; lost {len(lost)}; duplicates {copies}")
    print(f"202 after   {percentiles([took for status, _, _, took in answers if status == 202])}")
    print(f"{what:<11} after {percentiles(lags)}")
    print(f"dollars     {len(sent) * DOLLARS_FOR_A_MILLION / 1e6:.4f}, by the prices of docs/deploy.md")
    api.try_call("developer", "DELETE", "/configuration")
    if lost:
        print(f"lost, the first of them: {', '.join(lost[:5])}", file=sys.stderr)
    return not lost


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--local", action="store_true")
    arguments.add_argument("--rate", type=float, required=True, help="updates a second")
    arguments.add_argument("--seconds", type=float, required=True)
    arguments.add_argument("--wait", type=float, default=60, help="for the last to arrive, in seconds [60]")
    arguments.add_argument("--dollars", type=float, default=1, help="what it may cost at most [1]")
    arguments.add_argument("--listen", type=int, default=0, metavar="PORT", help="where the receiver's URL leads to")
    arguments.add_argument("--refuse-only", action="store_true", help="say whether it would be refused, and end")
    options = arguments.parse_args()
    estimate = options.rate * options.seconds * DOLLARS_FOR_A_MILLION / 1e6
    refused = None
    if not 0 < options.rate <= MOST_RATE or not 0 < options.seconds <= MOST_SECONDS:
        refused = f"a rate is up to {MOST_RATE} a second, and a load up to {MOST_SECONDS} s"
    elif not options.local and estimate > options.dollars:
        refused = f"it would cost {estimate:.2f} dollars, more than --dollars {options.dollars:g}"
    if refused:
        print(f"load: {refused}; nothing was sent", file=sys.stderr)
        return 2
    if options.refuse_only:
        return 0
    try:
        if options.local:
            subprocess.run(["cargo", "build", "--quiet", "--locked", "--bin", "tenday-local"], check=True, cwd=ROOT)
            receiver, system = Receiver(0), System()
            try:
                system.wait()
                options.receiver, options.addresses = f"http://127.0.0.1:{receiver.port}/hook", ["127.0.0.1"]
                return 0 if load(Api(system.url, LOCAL_CLIENTS), LOCAL_DEVELOPER, receiver, options) else 1
            finally:
                system.close()
        names = os.environ
        needed = ["TENDAY_BASE_URL", "TENDAY_DEVELOPER", "TENDAY_CLIENT_ID", "TENDAY_CLIENT_SECRET", "TENDAY_PLATFORM_CLIENT_ID",
                  "TENDAY_PLATFORM_CLIENT_SECRET"]
        if missing := [name for name in needed if not names.get(name)]:
            raise Failed(f"not set: {', '.join(missing)}")
        clients = {"developer": (names["TENDAY_CLIENT_ID"], names["TENDAY_CLIENT_SECRET"]),
                   "platform": (names["TENDAY_PLATFORM_CLIENT_ID"], names["TENDAY_PLATFORM_CLIENT_SECRET"])}
        options.receiver = names.get("TENDAY_RECEIVER") or None
        options.addresses = [each.strip() for each in names.get("TENDAY_RECEIVER_ADDRESSES", "").split(",") if each.strip()]
        if options.receiver and not options.listen:
            raise Failed("with TENDAY_RECEIVER, --listen says on which port of this machine it arrives")
        receiver = Receiver(options.listen) if options.receiver else None
        print(f"it will cost about {estimate:.4f} dollars")
        return 0 if load(Api(names["TENDAY_BASE_URL"], clients), names["TENDAY_DEVELOPER"], receiver, options) else 1
    except (Failed, subprocess.CalledProcessError) as failed:
        print(f"load: {failed}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
