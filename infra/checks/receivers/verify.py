"""Real deliveries, verified as their receivers would: with the official Standard Webhooks libraries in Python and
JavaScript, and with a JWT library in each that has nothing of ours (PyJWT, jose). Then Plaid's own client libraries are
pointed at the run (from_plaid.py).

    verify.py --node-modules DIRECTORY

It starts the local run in memory and two receivers, one in this process and one in node, which both subscribe to a
developer, of type plaid at first. Everything that arrives must verify in both, and nothing that was changed on the way
may. What a library says is taken from the library, and `hashlib` alone checks the hash that the tokens carry. Teller and
Mastercard have no library for their signatures: both receivers follow the steps of their pages with their language's
own HMAC.

Needs requirements.txt, the packages of package-lock.json in DIRECTORY, node, and a built `target/debug/tenday-local`.
`.ci/run` has all of it.
"""

import argparse
import base64
import hashlib
import hmac
import http.server
import json
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import jwt
import standardwebhooks

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import from_plaid  # noqa: E402
from local_run import DEVELOPER, LOCAL, Failed, System, check, checks  # noqa: E402

DELIVERY_SECONDS = 30
# Less than the five minutes by which the libraries let a clock differ, so that the run's can be moved past it.
OVERLAP_SECONDS = 120

LINK = "mk_eqkWN34UEoa2NxyALG8pcV"
MONEYKIT = "https://api.moneykit.com"
# 32 bytes that nobody signs with.
WRONG_SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
# How a serializer would not write it: order, spaces, escapes and a number that a float would lose.
RAW = ('{ "webhook_type":"TRANSACTIONS",\t"webhook_code" : "DEFAULT_UPDATE", "item_id": "a\\u00e9\\/b",'
       '"error":null, "new_transactions": 3.0, "big": 12345678901234567890, "a": "é" }')

# The headers that each type has for itself.
OWN_HEADERS = {"plaid-verification", "moneykit-signature", "x-fapi-interaction-id", "teller-signature",
               "x-finicity-signature", "event-signature", "event-id", "event-type", "event-context"}


class Delivery:
    def __init__(self, headers, body):
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body

    def changed(self, *, body=None, **headers):
        """The same with another body, or other headers (`webhook_id` for `webhook-id`)."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Delivery(self.headers | named, self.body if body is None else body)


class PythonReceiver:
    """In this process. `webhook` and `token` answer (what was accepted, None) or (None, why it was refused)."""

    name = "python"

    def __init__(self):
        deliveries = self.deliveries = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                deliveries.put(Delivery(self.headers, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.jwks = {}
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()

    def next(self):
        try:
            return self.deliveries.get(timeout=DELIVERY_SECONDS)
        except queue.Empty:
            raise Failed(f"{self.name}: nothing was delivered within {DELIVERY_SECONDS} s") from None

    def webhook(self, delivery, secret):
        try:
            return standardwebhooks.Webhook(secret).verify(delivery.body, delivery.headers), None
        except standardwebhooks.WebhookVerificationError as refused:
            return None, str(refused)

    def teller(self, delivery, secret):
        named = [part.split("=", 1) for part in delivery.headers["teller-signature"].split(",")]
        at = next(value for name, value in named if name == "t")
        if time.time() - int(at) > 180:
            return None, "too old"
        expected = hmac.new(secret.encode(), f"{at}.".encode() + delivery.body, hashlib.sha256).hexdigest()
        if any(name == "v1" and hmac.compare_digest(value, expected) for name, value in named):
            return json.loads(delivery.body), None
        return None, "no v1 is right"

    def finicity(self, delivery, secret):
        header = "x-finicity-signature" if "x-finicity-signature" in delivery.headers else "event-signature"
        expected = hmac.new(secret.encode(), delivery.body, hashlib.sha256).hexdigest()
        if hmac.compare_digest(delivery.headers[header], expected):
            return json.loads(delivery.body), None
        return None, "the signature is another"

    def token(self, token, issuer, jwks):
        if jwks not in self.jwks:
            self.jwks[jwks] = jwt.PyJWKClient(jwks)
        try:
            key = self.jwks[jwks].get_signing_key_from_jwt(token)
            # The clock of the run is moved by less than this.
            return jwt.decode(token, key, algorithms=["ES256"], issuer=issuer, leeway=300,
                              options={"require": ["iat"] + ["iss"] * bool(issuer)}), None
        except jwt.PyJWTError as refused:
            return None, f"{type(refused).__name__}: {refused}"


class NodeReceiver(PythonReceiver):
    """receiver.mjs, in a process of its own."""

    name = "javascript"

    def __init__(self, node_modules):
        # A module finds its packages beside itself, and nothing is installed among the sources.
        script = shutil.copy(Path(__file__).with_name("receiver.mjs"), node_modules.parent)
        self.process = subprocess.Popen(["node", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        encoding="utf-8", bufsize=1)
        self.deliveries, self.answers = queue.Queue(), queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()
        self.port = self.answer()["port"]

    def read(self):
        for line in self.process.stdout:
            line = json.loads(line)
            if "delivery" in line:
                delivery = line["delivery"]
                self.deliveries.put(Delivery(delivery["headers"], base64.b64decode(delivery["body"])))
            else:
                self.answers.put(line)
        self.answers.put(None)

    def answer(self):
        try:
            answer = self.answers.get(timeout=DELIVERY_SECONDS)
        except queue.Empty:
            raise Failed(f"receiver.mjs says nothing for {DELIVERY_SECONDS} s") from None
        if answer is None:
            raise Failed("receiver.mjs has ended; its own words are above")
        return answer

    def ask(self, **question):
        try:
            print(json.dumps(question), file=self.process.stdin)
        except BrokenPipeError:
            raise Failed("receiver.mjs has ended; its own words are above") from None
        answer = self.answer()
        return answer.get("accepted"), answer.get("refused")

    def close(self):
        self.process.kill()
        self.process.wait()

    def ask_of(self, what, delivery, secret):
        body = base64.b64encode(delivery.body).decode()
        return self.ask(ask=what, headers=delivery.headers, body=body, secret=secret)

    def webhook(self, delivery, secret):
        return self.ask_of("webhook", delivery, secret)

    def teller(self, delivery, secret):
        return self.ask_of("teller", delivery, secret)

    def finicity(self, delivery, secret):
        return self.ask_of("finicity", delivery, secret)

    def token(self, token, issuer, jwks):
        return self.ask(ask="token", token=token, issuer=issuer, jwks=jwks)


def verify(system, receiver, delivery, what, *, secrets, refused=(), token=("plaid-verification", None)):
    """One delivery with a token, in one receiver's libraries. Answers its payload."""
    payload = verify_standard(receiver, delivery, what, secrets=secrets, refused=refused)
    verify_token(system, receiver, delivery, what, token)
    return payload


def verify_standard(receiver, delivery, what, *, secrets, refused=()):
    """One delivery's Standard Webhooks headers, in one receiver's library. Answers its payload."""
    what = f"{receiver.name}: {what}"
    for secret in secrets:
        payload, reason = receiver.webhook(delivery, secret)
        check(reason is None, f"{what}: the library refuses the signature: {reason}")
        # As JavaScript has numbers: the library parses what it verified, and no number there is larger.
        read, sent = (json.loads(text, parse_int=float) for text in (json.dumps(payload), delivery.body))
        check(read == sent, f"{what}: the library reads another payload: {payload}")
        for change, changed in {
            "body with a space added": delivery.changed(body=delivery.body + b" "),
            "body with a letter changed": delivery.changed(body=delivery.body.replace(b"e", b"E", 1)),
            "other id": delivery.changed(webhook_id=delivery.headers["webhook-id"] + "0"),
            "other time": delivery.changed(webhook_timestamp=str(int(delivery.headers["webhook-timestamp"]) - 1)),
        }.items():
            check(receiver.webhook(changed, secret)[1], f"{what}: the library accepts it with a {change}")
    for secret in (WRONG_SECRET, *refused):
        check(receiver.webhook(delivery, secret)[1], f"{what}: the library accepts it with a wrong secret")
    return payload


def verify_token(system, receiver, delivery, what, token):
    """One delivery's token, in one receiver's JWT library."""
    what = f"{receiver.name}: {what}"
    header, issuer = token
    jwks = f"{system.url}/.well-known/jwks.json"
    tokens = {name for name in ("plaid-verification", "moneykit-signature") if name in delivery.headers}
    check(tokens == {header}, f"{what}: the token's header is {tokens}, not {header}")
    sent = delivery.headers[header]
    claims, reason = receiver.token(sent, issuer, jwks)
    check(reason is None, f"{what}: the library refuses {header}: {reason}")
    expected = {"iat": int(delivery.headers["webhook-timestamp"]),
                "request_body_sha256": hashlib.sha256(delivery.body).hexdigest()} | ({"iss": issuer} if issuer else {})
    check(claims == expected, f"{what}: {header} claims {claims}, not {expected}")
    head, body, signature = sent.split(".")
    shown = jwt.get_unverified_header(sent)
    check((shown["alg"], shown["typ"]) == ("ES256", "JWT"), f"{what}: {header} has the header {shown}")
    lie = base64.urlsafe_b64encode(json.dumps(claims | {"request_body_sha256": "0" * 64}).encode()).decode()
    for change, changed in {
        "claims": f"{head}.{lie.rstrip('=')}.{signature}",
        "signature": f"{head}.{body}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}",
    }.items():
        check(receiver.token(changed, issuer, jwks)[1], f"{what}: the library accepts {header} with other {change}")
    check(receiver.token(sent, "https://example.com", jwks)[1], f"{what}: the library accepts another issuer's {header}")


def verify_own(receiver, delivery, what, signature, *, secrets, refused):
    """One delivery's own signature, `teller` or `finicity`, by the steps of the provider's page."""
    what, asked = f"{receiver.name}: {what}", getattr(receiver, signature)
    for secret in secrets:
        payload, reason = asked(delivery, secret)
        check(reason is None, f"{what}: the {signature} signature is refused: {reason}")
        check(payload == json.loads(delivery.body), f"{what}: another payload was read: {payload}")
        changed = delivery.changed(body=delivery.body + b" ")
        check(asked(changed, secret)[1], f"{what}: the {signature} signature is accepted with another body")
    for secret in (WRONG_SECRET, *refused):
        check(asked(delivery, secret)[1], f"{what}: the {signature} signature is accepted with a wrong secret")


def run(system, receivers):
    system.call("developer", "POST", "/configuration", {"type": "plaid", "ipAllowlist": ["127.0.0.1"]})
    webhooks = {}
    for receiver in receivers:
        body = {"callbackURL": f"http://127.0.0.1:{receiver.port}/hook"}
        webhooks[receiver] = system.call("developer", "POST", "/configuration/webhooks", body)["webhook"]
    secrets = {receiver: [webhook["secret"]] for receiver, webhook in webhooks.items()}

    def arrives(what, *, refused=None, **expected):
        """What was just published, in both receivers. Answers the bodies."""
        bodies = []
        for receiver in receivers:
            delivery = receiver.next()
            others = [secret for other in receivers if other is not receiver for secret in secrets[other]]
            others += (refused or {}).get(receiver, [])
            verify(system, receiver, delivery, what, secrets=secrets[receiver], refused=others, **expected)
            bodies.append(delivery.body)
        print(f"verified in {' and '.join(receiver.name for receiver in receivers)}: {what}")
        return bodies

    data = {"linkId": "item-1", "newTransactions": 3, "environment": "sandbox"}
    system.publish("transactions.updated", data=data)
    for body in arrives("an update"):
        check(json.loads(body)["webhook_code"] == "DEFAULT_UPDATE", f"not Plaid's shape: {body}")

    cause = {"type": "ITEM_ERROR", "code": "ITEM_LOGIN_REQUIRED", "message": "Zugangsdaten geändert \u2028 密码 \"🔑\"",
             "status": 400}
    system.publish("item.error", data={"linkId": "item-1", "environment": "sandbox", "error": cause})
    for body in arrives("an update with more than ASCII"):
        check(json.loads(body)["error"]["error_message"] == cause["message"], f"another message: {body}")

    update = json.dumps({"developerId": DEVELOPER, "eventName": "transactions.updated"})
    raw = f'{update[:-1]}, "raw": {{"type": "plaid", "payload": {RAW}}}}}'
    system.call("platform", "POST", "/updates", raw)
    for body in arrives("a payload that was published as it is"):
        check(body == RAW.encode(), f"not the bytes that were published: {body}")

    link = {"developerId": DEVELOPER, "environment": "sandbox", "state": "connected", "products": ["accounts"],
            "tags": ["user:1"]}
    system.call("platform", "PUT", f"/links/{LINK}", link)
    fired = {"webhook_event": "link.state_changed", "webhook_idempotency_key": "once"}
    system.call("developer", "POST", f"/webhooks/test/link/{LINK}", fired)
    for body in arrives("a MoneyKit test event", token=("moneykit-signature", MONEYKIT)):
        check(json.loads(body)["link_id"] == LINK, f"not the link's event: {body}")

    def rotate():
        for receiver, webhook in webhooks.items():
            path = f"/configuration/webhooks/{webhook['id']}/secret/rotate"
            rotated = system.call("developer", "POST", path, {"overlapSeconds": OVERLAP_SECONDS})["secret"]
            check(rotated not in secrets[receiver], "a rotation answers the old secret")
            secrets[receiver].insert(0, rotated)

    old = {receiver: list(kept) for receiver, kept in secrets.items()}
    rotate()
    system.publish("transactions.updated", data=data)
    arrives("an update while two secrets hold, with either")

    system.settle()
    system.advance(OVERLAP_SECONDS + 1)
    for receiver in receivers:
        secrets[receiver].pop()
    system.publish("transactions.updated", data=data)
    arrives("an update after that, with the new secret alone", refused=old)

    other_types(system, receivers, webhooks, secrets, rotate)
    from_plaid.run(system, *receivers)

    system.settle()
    for receiver in receivers:
        check(receiver.deliveries.empty(), f"{receiver.name}: more was delivered than published")


def other_types(system, receivers, webhooks, secrets, rotate):
    """The same webhooks, whose developer changes from type to type: each has headers of its own."""
    def arrives(integration, name, data, own, **signed):
        system.call("developer", "PATCH", "/configuration", {"type": integration})
        published = system.publish(name, data=data)
        for receiver in receivers:
            delivery = receiver.next()
            what = f"{name} as {integration}"
            verify_standard(receiver, delivery, what, secrets=secrets[receiver])
            theirs = {header for header in delivery.headers if header in OWN_HEADERS}
            check(theirs == own, f"{what}: the headers are {theirs}, not {own}")
            if signed:
                accepted = secrets[receiver][signed["since"]:signed["until"]]
                refused = [secret for secret in secrets[receiver] if secret not in accepted]
                verify_own(receiver, delivery, what, integration, secrets=accepted, refused=refused)
            else:
                update = uuid.UUID(published["updateId"].removeprefix("UPD-"))
                expected = str(uuid.uuid5(update, f"{webhooks[receiver]['id']}/1"))
                shown = delivery.headers["x-fapi-interaction-id"]
                check(shown == expected, f"{what}: the first attempt's interaction is {shown}, not {expected}")
        print(f"verified in {' and '.join(receiver.name for receiver in receivers)}: {what}")

    whole = {"since": None, "until": None}
    consent = {"linkId": "1007302745", "userId": "1005061234", "consentId": "c-1", "institutionId": "4222",
               "accountIds": ["1014136057"], "consent": {"purpose": "Ümlaut \u2028"},
               "publisher": {"name": "A bank", "type": "DATA_PROVIDER"}}
    removed = {"linkId": "1007302745", "userId": "1005061234", "institutionId": "4222", "accountIds": ["1"]}
    broken = {"linkId": "enr_1", "error": {"type": "ITEM_ERROR", "code": "ITEM_LOCKED", "message": "é"}}
    consent_headers = {"event-signature", "event-id", "event-type", "event-context"}
    arrives("fdx", "consent.revoked", consent, {"x-fapi-interaction-id"})
    arrives("teller", "item.error", broken, {"teller-signature"}, **whole)
    arrives("finicity", "accounts.removed", removed, {"x-finicity-signature"}, **whole)
    arrives("finicity", "consent.revoked", consent, consent_headers, **whole)
    rotate()
    arrives("teller", "item.error", broken, {"teller-signature"}, **whole)
    # One header has room for one signature: while two secrets hold, it is the old one's.
    old = {"since": 1, "until": None}
    arrives("finicity", "accounts.removed", removed, {"x-finicity-signature"}, **old)
    arrives("finicity", "consent.revoked", consent, consent_headers, **old)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--node-modules", type=Path, required=True)
    arguments = parser.parse_args()
    # What a CI machine sends when it gives up: let the processes below go too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began, opened, system = time.monotonic(), [], None
    try:
        for needed in (LOCAL, arguments.node_modules):
            check(needed.exists(), f"{needed} does not exist: build and install first, as .ci/run does")
        check(shutil.which("node"), "this machine lacks node")
        opened.append(PythonReceiver())
        opened.append(NodeReceiver(arguments.node_modules.resolve()))
        receivers = list(opened)
        system = System()
        opened.append(system)
        system.wait()
        run(system, receivers)
    except Failed as failed:
        print(f"receivers: {failed}", file=sys.stderr)
        if system:
            system.close()
            print(f"the local run's last lines:\n{system.tail()}", file=sys.stderr)
        return 1
    finally:
        for one in reversed(opened):
            one.close()
    print(f"{checks()} checks hold, in {time.monotonic() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
