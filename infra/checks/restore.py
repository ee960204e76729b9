"""docs/runbooks/restore.md, followed on MiniStack: the commands of its page, in its order, between an update that was delivered
before the moment that is restored and updates that came after it; then a second stack on the same tables and key, as
docs/runbooks/region.md has it.

    restore.py [--profile release]

Left out is what MiniStack has not: how long a restore takes, another region, and the replica of a key.

Runs in the environment of requirements-ministack.txt; needs target/venv-shell, and the functions and tenday built.
"""

import os
import re
import subprocess
import sys
import time

import smoke
from local_run import ROOT, check
from ministack import PARAMETERS, ROOT_KEYS, STACK, Deployment, main_of, started, with_complaints

PAGE = ROOT / "docs/runbooks/restore.md"
# What the page leaves to whoever follows it. MiniStack restores what is there now.
INSTEAD = {"MOMENT": "2026-01-01T00:00:00Z", "sleep 60": "sleep 3",
           # Without publishing by EventBridge; the page says so.
           "MAPPINGS='DeliverFirstAttempts": "MAPPINGS='IngestMessages DeliverFirstAttempts"}


class Runbook:
    """The blocks of the page, by the words that stand before them."""

    def __init__(self, ministack):
        text = PAGE.read_text(encoding="utf-8")
        for old, new in INSTEAD.items():
            check(old in text, f"the page does not say `{old}` any more")
            text = text.replace(old, new)
        parts = text.split("```\n")
        self.blocks = list(zip(parts[::2], parts[1::2]))
        # What one block defines, the next ones use, as in one shell.
        self.known = "\n".join(line for _, block in self.blocks for line in block.splitlines()
                               if re.match(r"\w+\(\) \{|[A-Z]+=", line))
        self.environment = ROOT_KEYS | {
            "PATH": f"{ROOT}/target/venv-shell/bin:{os.environ['PATH']}", "HOME": ministack.home.name,
            "AWS_ENDPOINT_URL": ministack.endpoint, "TENDAY_POLL_SECONDS": "0.3"}

    def follow(self, before):
        blocks = [block for words, block in self.blocks if before in words]
        check(len(blocks) == 1, f"the page has {len(blocks)} blocks after `{before}`")
        done = subprocess.run(["bash", "-euc", f"{self.known}\n{blocks[0]}"], env=self.environment, cwd=ROOT, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        check(done.returncode == 0, f"{before}: {done.stdout}")


class Platform(smoke.Smoke):
    """The platform and a developer, on a stack."""

    def __init__(self, deployment, clients):
        super().__init__(smoke.Api(deployment.url, clients), smoke.DEVELOPER, smoke.Nowhere())

    def publish(self, item):
        update = {"developerId": self.developer, "eventName": "transactions.updated", "id": f"{self.run_id}-{item}",
                  "data": {"linkId": item, "newTransactions": 3}}
        return self.api.call("platform", "POST", "/updates", update)["events"][0]["eventId"]

    def attempted(self, event):
        """Waits until there was an attempt of the event."""
        def holds():
            status, found = self.api.try_call("developer", "GET", f"/configuration/events/{event}")
            # Five in a row that are blocked open the webhook's breaker, which puts the next ones off: taken as well.
            return status == 200 and (found["event"].get("attempts") or found["event"].get("nextAttemptTime"))

        self.wait(f"an attempt of {event}", holds)


def rows(deployment, table):
    return deployment.client("dynamodb").scan(TableName=table, Select="COUNT")["Count"]


def try_it(profile):
    # MiniStack takes its time until it reads a queue again that it was told to leave alone.
    smoke.ARRIVAL_SECONDS = 240
    with started() as ministack:
        deployment = Deployment(ministack, profile)
        with with_complaints(deployment):
            return follow(ministack, deployment, profile)


def follow(ministack, deployment, profile):
    developer, platform = deployment.clients()
    clients = {"developer": (developer["clientId"], developer["clientSecret"]),
               "platform": (platform["clientId"], platform["clientSecret"])}
    page, path = Runbook(ministack), Platform(deployment, clients)
    path.configuration()
    path.webhook()
    before = path.publish("before")
    path.event(before, status="dropped")

    # The functions' messages wait from here on, as they do while whoever is called finds the page.
    page_stop = "so that nothing is acknowledged"
    mappings = deployment.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    for mapping in mappings:
        deployment.client("lambda").update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    time.sleep(3)
    page.follow("**Restore**, to names")
    lost, again = path.publish("lost"), path.publish("again")
    page.follow(page_stop)
    # MiniStack limits what is called by the function's own name, and not a version that an alias leads to; Lambda both.
    functions = deployment.client("lambda")
    for function in functions.list_functions()["Functions"]:
        name = function["FunctionName"]
        if any(name.startswith(f"{STACK}-{stopped}") for stopped in ("Auth", "Updates", "Events")):
            reserved = functions.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
            check(reserved == 0, f"{name} is not stopped: {reserved}")
    page.follow("What a restore\ndoes not bring along")
    page.follow("**Take it up**")
    deployment.adopt()
    check(deployment.outputs["SettingsTableName"] == f"{STACK}-settings-restored", f"{deployment.outputs}")
    own = rows(deployment, deployment.names["EventsTable"])

    page.follow("**Start**, and")
    path.api.url = deployment.url
    path.api.tokens.clear()
    anew = path.publish("again")
    check(anew != again, "an event of an update that is lost has its id again")
    path.event(before, status="dropped")
    path.attempted(anew)
    # What waited carries its update along, which is in no table any more.
    for event in (lost, again):
        path.attempted(event)
    check(rows(deployment, deployment.names["EventsTable"]) == own, "the old table is written")
    secret = path.get(f"/configuration/webhooks/{path.id}/secret")["secret"]
    check(secret == path.secret, "the secret is another")

    key = deployment.outputs["KeyringKeyArn"]
    arn = {table: deployment.client("dynamodb").describe_table(TableName=f"{STACK}-{table}-restored")["Table"]["TableArn"]
           for table in ("settings", "events")}
    moved = Deployment(ministack, profile, stack=f"{STACK}-moved", parameters=PARAMETERS | {
        "RestoredSettingsTable": arn["settings"], "RestoredEventsTable": arn["events"], "RestoredKey": key})
    there = Platform(moved, clients)
    secret = there.get(f"/configuration/webhooks/{path.id}/secret")["secret"]
    check(secret == path.secret, "in the second stack the secret is another")
    there.attempted(there.publish("moved"))
    return f"restored, published again, and taken up by a second stack; {smoke.checks()} checks"


if __name__ == "__main__":
    sys.exit(main_of("restore", __doc__, try_it))
