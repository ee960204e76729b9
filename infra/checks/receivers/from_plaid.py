"""Developers who come from Plaid keep Plaid's official client libraries, in Python and JavaScript: only the base URL is
another. They give an item its webhook, fire a sandbox webhook, receive it, and verify `Plaid-Verification` with the library's
own call for the key and the steps that Plaid documents. verify.py runs this.
"""

import base64
import hashlib
import hmac
import json
import time

import jwt
import plaid
from plaid.api import plaid_api
from plaid.model.item_webhook_update_request import ItemWebhookUpdateRequest
from plaid.model.sandbox_item_fire_webhook_request import SandboxItemFireWebhookRequest
from plaid.model.webhook_type import WebhookType
from plaid.model.webhook_verification_key_get_request import WebhookVerificationKeyGetRequest

from local_run import LOCAL_CLIENTS, check

# A developer who has nothing but a configuration: the webhook is made by the library's call.
WHO, DEVELOPER = "other", "DEV-local-other"
MOST_SECONDS_OLD = 5 * 60


class PythonLibrary:
    """plaid-python. Each call answers (the answer, None) or (None, Plaid's error code)."""

    def __init__(self, url):
        identity, secret = LOCAL_CLIENTS[WHO]
        configuration = plaid.Configuration(host=url, api_key={"clientId": identity, "secret": secret})
        self.client = plaid_api.PlaidApi(plaid.ApiClient(configuration))
        self.keys = {}

    def call(self, method, request):
        try:
            return getattr(self.client, method)(request).to_dict(), None
        except plaid.ApiException as refused:
            return None, json.loads(refused.body)["error_code"]

    def update(self, access_token, webhook):
        return self.call("item_webhook_update", ItemWebhookUpdateRequest(access_token=access_token, webhook=webhook))

    def fire(self, access_token, webhook_type, webhook_code):
        return self.call("sandbox_item_fire_webhook", SandboxItemFireWebhookRequest(
            access_token=access_token, webhook_type=WebhookType(webhook_type), webhook_code=webhook_code))

    def key(self, key_id):
        return self.call("webhook_verification_key_get", WebhookVerificationKeyGetRequest(key_id=key_id))

    def verify(self, token, body):
        """Plaid's documented steps. Answers why they refuse it, if they do."""
        header = jwt.get_unverified_header(token)
        if header["alg"] != "ES256":
            return "another algorithm"
        if header["kid"] not in self.keys:
            answer, refused = self.key(header["kid"])
            if refused:
                return refused
            self.keys[header["kid"]] = answer["key"]
        key = self.keys[header["kid"]]
        if key["expired_at"] is not None:
            return "an expired key"
        try:
            # The clock of the run is moved ahead.
            claims = jwt.decode(token, jwt.PyJWK(key), algorithms=["ES256"], leeway=MOST_SECONDS_OLD)
        except jwt.PyJWTError as refused:
            return f"{type(refused).__name__}: {refused}"
        if claims["iat"] < time.time() - MOST_SECONDS_OLD:
            return "an old token"
        if not hmac.compare_digest(hashlib.sha256(body).hexdigest(), claims["request_body_sha256"]):
            return "another body"
        return None


class NodeLibrary:
    """Plaid's own for Node.js, in receiver.mjs."""

    def __init__(self, url, receiver):
        identity, secret = LOCAL_CLIENTS[WHO]
        self.receiver, self.client = receiver, {"url": url, "id": identity, "secret": secret}

    def call(self, method, request):
        return self.receiver.ask(ask="plaid", client=self.client, method=method, request=request)

    def update(self, access_token, webhook):
        return self.call("itemWebhookUpdate", {"access_token": access_token, "webhook": webhook})

    def fire(self, access_token, webhook_type, webhook_code):
        return self.call("sandboxItemFireWebhook", {
            "access_token": access_token, "webhook_type": webhook_type, "webhook_code": webhook_code})

    def key(self, key_id):
        return self.call("webhookVerificationKeyGet", {"key_id": key_id})

    def verify(self, token, body):
        encoded = base64.b64encode(body).decode()
        return self.receiver.ask(ask="plaidVerify", client=self.client, token=token, body=encoded)[1]


def keep(library, receiver, number, system):
    """The whole way of one developer's library, from an item without a webhook to a verified one."""
    link, token = f"mk_{number:022}", f"access-sandbox-{receiver.name}"
    registered = {"developerId": DEVELOPER, "environment": "sandbox", "state": "connected",
                  "products": ["accounts", "transactions"], "aliasSha256": hashlib.sha256(token.encode()).hexdigest()}
    system.call("platform", "PUT", f"/links/{link}", registered)
    url = f"http://127.0.0.1:{receiver.port}/plaid"

    def arrives(code):
        delivery = receiver.next()
        payload, header = json.loads(delivery.body), delivery.headers["plaid-verification"]
        check((payload["webhook_code"], payload["item_id"]) == (code, link), f"{receiver.name}: {payload}, not {code}")
        refused = library.verify(header, delivery.body)
        check(refused is None, f"{receiver.name}: the documented steps refuse {code}: {refused}")
        check(library.verify(header, delivery.body + b" "), f"{receiver.name}: they accept another body of {code}")
        head, claims, signature = header.split(".")
        changed = f"{head}.{claims}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
        check(library.verify(changed, delivery.body), f"{receiver.name}: they accept another signature of {code}")
        return payload

    answer, refused = library.update(token, url)
    check(refused is None, f"{receiver.name}: the item's webhook is not updated: {refused}")
    item = (answer["item"]["item_id"], answer["item"]["webhook"])
    check(item == (link, url), f"{receiver.name}: another item: {answer}")
    told = arrives("WEBHOOK_UPDATE_ACKNOWLEDGED")["new_webhook_url"]
    check(told == url, f"{receiver.name}: {told} is acknowledged")
    for access_token in (token, link):
        answer, refused = library.fire(access_token, "TRANSACTIONS", "SYNC_UPDATES_AVAILABLE")
        check(refused is None and answer["webhook_fired"], f"{receiver.name}: no webhook is fired: {refused}")
        arrives("SYNC_UPDATES_AVAILABLE")
    for what, refused, code in (
        ("item", library.update("access-sandbox-none", url)[1], "INVALID_ACCESS_TOKEN"),
        ("webhook", library.fire(token, "ASSETS", "PRODUCT_READY")[1], "INVALID_FIELD"),
        ("key", library.key("none")[1], "INVALID_WEBHOOK_VERIFICATION_KEY_ID"),
    ):
        check(refused == code, f"{receiver.name}: an unknown {what} is {refused}, not {code}")
    answer, refused = library.update(token, None)
    check(refused is None and answer["item"]["webhook"] is None, f"{receiver.name}: the webhook stays: {refused}")
    print(f"verified with Plaid's own library in {receiver.name}: an item's webhook, and what is fired at it")


def run(system, python, node):
    system.call(WHO, "POST", "/configuration", {"type": "plaid", "ipAllowlist": ["127.0.0.1"]})
    keep(PythonLibrary(system.url), python, 1, system)
    # The developer may fire five in a second, and both libraries fire three.
    system.advance(1)
    keep(NodeLibrary(system.url, node), node, 2, system)
