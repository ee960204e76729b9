"""The main path, by the client that openapi-python-client makes of docs/openapi.json. `check.py` has mypy read this with
--strict, and runs it: `main_path.py PLAN`, whose JSON says where, for whom, and with which clients.

It prints the ids of the events that have to have arrived.
"""

import base64
import json
import sys
import time
from typing import Any, TypeVar

from tenday_client import AuthenticatedClient
from tenday_client.api.configuration import create_configuration
from tenday_client.api.events import list_events, list_retrievals, reattempt, view_event
from tenday_client.api.tokens import issue_token
from tenday_client.api.updates import publish_updates
from tenday_client.api.webhooks import change_webhook, create_webhook
from tenday_client.models import (
    AcceptedUpdate,
    ChangedStatus,
    Created,
    DataTransactionsUpdated,
    EventInFull,
    EventList,
    EventStatus,
    GrantType,
    NewConfiguration,
    NewWebhook,
    OneConfiguration,
    OneEvent,
    PayloadPlaidTRANSACTIONSDEFAULTUPDATE,
    PublicationType1,
    PublishAnswerType1,
    PublishUpdatesResponse400,
    PublishUpdatesResponse400ErrorCode,
    RawPayload,
    RawPayloadPayload,
    RawUpdate,
    ReattemptResponse,
    TokenRequest,
    TokenResponse,
    TypeType0,
    UpdateEventName,
    UpdateTransactionsUpdated,
    WebhookChange,
)

PATIENCE_SECONDS = 30

T = TypeVar("T")


def must(answer: object, kind: type[T]) -> T:
    """An answer that has to be of a kind."""
    if not isinstance(answer, kind):
        raise SystemExit(f"not a {kind.__name__}: {answer}")
    return answer


def holds(holding: bool, what: str) -> None:
    if not holding:
        raise SystemExit(what)


def signed_in(plan: dict[str, Any], who: str) -> AuthenticatedClient:
    identity, secret = plan[who]
    basic = base64.b64encode(f"{identity}:{secret}".encode()).decode()
    client = AuthenticatedClient(base_url=plan["url"], token=basic, prefix="Basic")
    body = TokenRequest(grant_type=GrantType.CLIENT_CREDENTIALS)
    token = must(issue_token.sync(client=client, body=body), TokenResponse)
    return AuthenticatedClient(base_url=plan["url"], token=token.access_token)


def event_in_full(client: AuthenticatedClient, event: str) -> EventInFull:
    return must(view_event.sync(event, client=client), OneEvent).event


def delivered(client: AuthenticatedClient, event: str) -> EventInFull:
    until = time.monotonic() + PATIENCE_SECONDS
    while (seen := event_in_full(client, event)).status is not EventStatus.DELIVERED:
        holds(time.monotonic() < until, f"{event} is still {seen.status}")
        time.sleep(0.05)
    return seen


def main(plan: dict[str, Any]) -> list[str]:
    developer, platform = signed_in(plan, "developer"), signed_in(plan, "platform")
    wanted = NewConfiguration(type_=TypeType0.PLAID, ip_allowlist=["127.0.0.1"])
    configuration = must(create_configuration.sync(client=developer, body=wanted), OneConfiguration).configuration
    holds(configuration.type_ == TypeType0.PLAID, f"another type: {configuration.type_}")
    new = NewWebhook(callback_url=plan["callback"])
    webhook = must(create_webhook.sync(client=developer, body=new), Created).webhook
    holds(webhook.secret.startswith("whsec_"), "no secret")

    def update(new_transactions: int) -> UpdateTransactionsUpdated:
        data = DataTransactionsUpdated(link_id="item-1", new_transactions=new_transactions)
        return UpdateTransactionsUpdated(plan["developerId"], "transactions.updated", data)

    one = must(publish_updates.sync(client=platform, body=update(3)), AcceptedUpdate)
    first = one.events[0].event_id
    body = delivered(developer, first).payload
    holds(body is not None, "the event has no payload")
    payload = PayloadPlaidTRANSACTIONSDEFAULTUPDATE.from_dict(body.to_dict() if body else {})
    holds(payload.webhook_code == "DEFAULT_UPDATE" and payload.new_transactions == 3, f"another payload: {payload}")

    # An event for a webhook that is disabled is dropped at once.
    change_webhook.sync(webhook.id, client=developer, body=WebhookChange(status=ChangedStatus.DISABLED))
    many = PublicationType1(updates=[update(4)])
    answers = must(publish_updates.sync(client=platform, body=many), PublishAnswerType1).updates
    second = must(answers[0], AcceptedUpdate).events[0].event_id
    until = time.monotonic() + PATIENCE_SECONDS
    while event_in_full(developer, second).status is not EventStatus.DROPPED:
        holds(time.monotonic() < until, f"{second} is not dropped")
        time.sleep(0.05)
    change_webhook.sync(webhook.id, client=developer, body=WebhookChange(status=ChangedStatus.ACTIVE))
    dropped = must(list_retrievals.sync(client=developer, webhook_id=webhook.id), EventList)
    holds([event.id for event in dropped.events] == [second], f"other retrievals: {dropped}")
    again = must(reattempt.sync(second, client=developer), ReattemptResponse)
    holds(again.success, f"the reattempt failed: {again}")
    history = must(list_events.sync(webhook.id, client=developer, status=EventStatus.DELIVERED), EventList)
    holds({event.id for event in history.events} == {first, second}, f"another history: {history}")

    raw = RawPayload(type_=TypeType0.MX, payload=RawPayloadPayload())
    foreign = RawUpdate(plan["developerId"], UpdateEventName.ITEM_ERROR, raw)
    refused = must(publish_updates.sync(client=platform, body=foreign), PublishUpdatesResponse400)
    expected = PublishUpdatesResponse400ErrorCode.UPDATE_ERROR_INEXPRESSIBLE
    holds(refused.error_code == expected, f"another refusal: {refused}")
    return [first, second]


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
