"""What schemathesis needs to know of Tenday: who may call what, and which ids exist.

Before each request this makes sure that the developer has a configuration, a webhook and a dropped event, for the
requests delete them too. Generated ids are of the right form but name nothing, so most of them are replaced by ids that
exist. Everything that looks random comes from one seed.
"""

import os
import random
import sys
from pathlib import Path

import schemathesis
from schemathesis.core.parameters import ParameterLocation

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from local_run import Api, DEVELOPER  # noqa: E402

CONFIGURATION, WEBHOOKS = "/configuration", "/configuration/webhooks"
LINKS = {state: f"mk_{state:a<22}" for state in ("connected", "error", "deleted", "foreign")}
# Fewer than the hundred that a configuration may have, so that making one is a success too.
MOST_WEBHOOKS = 60
# An update makes an event for each webhook, and its answer lists them.
WEBHOOKS_OF_AN_UPDATE = 2

api = Api(os.environ["TENDAY_URL"])
receiver = os.environ["TENDAY_RECEIVER"]
chance = random.Random(4310)


class World:
    """The ids that exist, by the name of the parameter that takes them."""

    def __init__(self):
        self.ids, self.webhooks, self.links, self.stale = {}, 0, 0, True
        for state, link in LINKS.items():
            whose = "DEV-local-other" if state == "foreign" else DEVELOPER
            self.register(link, whose, *(["error", "auth_expired"] if state == "error" else []))
        api.call("platform", "DELETE", f"/links/{LINKS['deleted']}")
        self.ids["jobId"] = self.job()

    def job(self):
        """The id of a job: more events are reattempted than fit in the 20 seconds after which a job takes over."""
        self.renew({"rateLimit": 1}, events=24)
        self.stale = True
        return api.call("developer", "POST", f"{WEBHOOKS}/retrievals")["jobId"]

    def register(self, link, developer=DEVELOPER, state="connected", code=None):
        body = {"developerId": developer, "environment": "sandbox", "state": state, "errorCode": code,
                "products": ["accounts", "transactions"]}
        api.call("platform", "PUT", f"/links/{link}", body)
        return link

    def link(self, name):
        """The id of a link for an operation to work on."""
        if name in ("putLink", "deleteLink") and chance.random() < 0.7:
            # These would use up the others, for a deleted id never comes back.
            self.links += 1
            return self.register(f"mk_{self.links:022}")
        if name in ("putLink", "deleteLink"):
            return LINKS["deleted"]
        return chance.choice([LINKS["deleted"], LINKS["foreign"]] + [LINKS["connected"], LINKS["error"]] * 2)

    def renew(self, webhook=None, events=1):
        """From nothing: a configuration, a webhook, and events that were dropped."""
        api.try_call("developer", "DELETE", CONFIGURATION)
        body = {"ipAllowlist": ["127.0.0.1"], "retrySchedule": [1]}
        api.call("developer", "POST", CONFIGURATION, body)
        body = {"callbackURL": receiver} | (webhook or {})
        webhook = api.call("developer", "POST", WEBHOOKS, body)["webhook"]["id"]
        # An event for a disabled webhook is dropped at once.
        api.call("developer", "PATCH", f"{WEBHOOKS}/{webhook}", {"status": "disabled"})
        for _ in range(events):
            update = api.publish("transactions.updated", data={"linkId": "item-1", "newTransactions": 3})
        api.settle()
        api.call("developer", "PATCH", f"{WEBHOOKS}/{webhook}", {"status": "active"})
        self.ids |= {"webhookId": webhook, "updateId": update["updateId"], "eventId": update["events"][0]["eventId"]}
        self.webhooks, self.stale = 1, False

    def prepare(self, name):
        """What an operation needs in particular, to do more than to refuse."""
        if self.stale or self.webhooks > MOST_WEBHOOKS:
            self.renew()
        if name == "createConfiguration" and chance.random() < 0.7:
            api.try_call("developer", "DELETE", CONFIGURATION)
            self.stale = True
        elif name == "restoreConfiguration":
            self.ids["requestId"] = api.call("developer", "DELETE", CONFIGURATION)["requestId"]
            self.stale = True
        elif name == "restoreWebhook":
            deleted = api.call("developer", "DELETE", f"{WEBHOOKS}/{self.ids['webhookId']}")
            self.ids["requestId"], self.stale = deleted["requestId"], True
        elif name == "publishUpdates":
            while self.webhooks < WEBHOOKS_OF_AN_UPDATE:
                api.call("developer", "POST", WEBHOOKS, {"callbackURL": receiver})
                self.webhooks += 1
        elif name in ("testLinkEvent", "sendExample", "checkWebhook"):
            # Only so many a second may be asked for.
            api.advance(1)

    def fetched(self):
        """A webhook whose events are fetched, with one that waits."""
        webhook = api.call("developer", "POST", WEBHOOKS, {"kind": "pull"})["webhook"]["id"]
        self.webhooks += 1
        api.publish("transactions.updated", data={"linkId": "item-1", "newTransactions": 3})
        api.settle()
        return webhook

    def saw(self, name, status):
        """What an answer changed."""
        done = 200 <= status < 300
        # A change may have disabled the webhook, or moved it to where nothing is heard.
        self.stale |= done and name in ("deleteConfiguration", "deleteWebhook", "changeConfiguration", "changeWebhook")
        self.stale |= done and name in ("reattempt", "reattemptAll")
        self.webhooks += done and name == "createWebhook"


world = World()


def name_of(case):
    return case.operation.definition.raw.get("operationId")


def is_positive(case, place):
    component = case.meta.components.get(place) if case.meta else None
    return component is None or component.mode.is_positive


@schemathesis.auth(refresh_interval=None)
class Token:
    """The token of whoever may call, and now and then another's."""

    def get(self, case, context):
        name = name_of(case)
        platforms = name.endswith("Link") or name in ("publishUpdates", "viewUpdate", "openSession")
        who = ("platform", "developer") if platforms else ("developer", "platform")
        return api.token(who[chance.random() < 0.05])

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


@schemathesis.hook
def before_call(context, case, kwargs):
    name = name_of(case)
    world.prepare(name)
    for place, parameters in ((ParameterLocation.PATH, case.path_parameters), (ParameterLocation.QUERY, case.query)):
        if not parameters or not is_positive(case, place) or chance.random() < 0.1:
            continue
        for parameter in parameters:
            if parameter == "id":
                parameters[parameter] = world.link(name)
            elif name == "pullEvents" and chance.random() < 0.7:
                parameters[parameter] = world.fetched()
            elif parameter in world.ids:
                parameters[parameter] = world.ids[parameter]
    if name == "pullEvents" and isinstance(case.body, dict) and is_positive(case, ParameterLocation.BODY):
        # Each would else wait for as long as it may.
        case.body["waitSeconds"] = 0
    if isinstance(case.body, dict) and is_positive(case, ParameterLocation.BODY) and chance.random() < 0.8:
        if name == "publishUpdates":
            for update in case.body.get("updates", [case.body]):
                update["developerId"] = DEVELOPER
        elif "Plaid" in name:
            case.body |= {"client_id": "CLI-local-developer", "secret": "local-developer-secret"}
            if "access_token" in case.body:
                case.body["access_token"] = world.link(name)
        elif name == "issueToken":
            case.body |= {"client_id": "CLI-local-developer", "client_secret": "local-developer-secret"}
        elif name == "sendExample":
            case.body["eventName"] = chance.choice(["DATA_UPDATES", "ITEM.ERROR", "link.state_changed"])


@schemathesis.hook
def after_call(context, case, response):
    world.saw(name_of(case), response.status_code)
