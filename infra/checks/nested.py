"""What must hold between template.yaml, the stacks nested in it, and the runbooks that their alarms link to.

No linter knows that a new queue needs an alarm, that an alarm's page exists, or that a metric's name is one that the
functions emit. As in `template.py`, each rule carries the mistakes that it must catch, and `--self-test` plants them.

    nested.py TEMPLATE               check
    nested.py TEMPLATE --self-test   plant each mistake

Runs in the environment of requirements-sam.txt.
"""

import argparse
import json
import re
from collections import Counter
from pathlib import Path

from rules import Rules, report
from sources import metrics as emitted
from template import BOUNDARY, FUNCTION, QUEUE, ROLE, STACK, TABLE, Template, expand, parse_yaml

ALARM = "AWS::CloudWatch::Alarm"
# What the canary's alarms are about is what does not happen.
SOUNDS_WHERE_NOTHING_HAPPENS = {"NothingIsDelivered"}
PAGE_HAS = ["What it means", "What users see", "Look", "Mend", "Verify"]


class Stacks:
    """template.yaml, its nested templates by logical id, the runbooks and what tells of the costs by name."""

    def __init__(self, source, nested, pages, documents):
        self.source, self.nested, self.pages, self.documents = source, nested, pages, documents

    def expanded(self):
        return Template(self.source, expand(self.source))

    def alarms(self):
        return {n: r["Properties"] for n, r in self.nested["Alarms"]["Resources"].items() if r["Type"] == ALARM}

    def watched(self):
        """(alarm, namespace, metric, what of template.yaml it is about) of every alarm's metrics."""
        given = {name: named(value) for name, value in
                 self.source["Resources"]["Alarms"]["Properties"]["Parameters"].items()}
        for name, alarm in self.alarms().items():
            for metric in metrics(alarm):
                for dimension in metric.get("Dimensions", []):
                    parameter = dimension["Value"].get("Ref") if isinstance(dimension["Value"], dict) else None
                    yield name, metric["Namespace"], metric["MetricName"], given.get(parameter)


def read(path):
    root = Path(path).resolve().parent
    source = parse_yaml(Path(path).read_text(encoding="utf-8"))
    nested = {
        name: parse_yaml((root / resource["Properties"]["TemplateURL"]).read_text(encoding="utf-8"))
        for name, resource in source["Resources"].items() if resource["Type"] == STACK
    }
    pages = {page.stem: page.read_text(encoding="utf-8") for page in (root / "docs/runbooks").glob("*.md")}
    documents = {name: " ".join((root / name).read_text(encoding="utf-8").split())
                 for name in ("docs/operations.md", "docs/deploy.md")}
    return Stacks(source, nested, pages, documents)


def metrics(alarm):
    """The metrics that an alarm reads, alone or in an expression."""
    if "MetricName" in alarm:
        return [alarm]
    return [metric["MetricStat"]["Metric"] for metric in alarm["Metrics"] if "MetricStat" in metric]


def named(value):
    """The logical id in a `Ref`, a `GetAtt`, or the first branch of an `If` that has one."""
    if not isinstance(value, dict):
        return None
    if "Fn::If" in value:
        return named(value["Fn::If"][1]) or named(value["Fn::If"][2])
    target = value.get("Ref") or value.get("Fn::GetAtt", [None])
    return target if isinstance(target, str) else target[0]


def page_of(alarm):
    text = json.dumps(alarm.get("AlarmDescription", ""))
    found = re.search(r"\$\{Runbooks\}/([\w-]+)\.md\"", text)
    return found and found[1]


RULES = Rules()
rule = RULES.rule


# Mistakes.


def parameters(stack, **changes):
    def plant(stacks):
        given = stacks.source["Resources"][stack]["Properties"]["Parameters"]
        for name, value in changes.items():
            given.pop(name) if value is None else given.update({name: value})

    return plant


def alarm(name, **changes):
    def plant(stacks):
        properties = stacks.nested["Alarms"]["Resources"][name]["Properties"]
        for key, value in changes.items():
            properties.pop(key) if value is None else properties.update({key: value})

    return plant


def no_alarm(name):
    return lambda stacks: stacks.nested["Alarms"]["Resources"].pop(name)


def page(name, change):
    def plant(stacks):
        text = change(stacks.pages.pop(name))
        if text is not None:
            stacks.pages[name] = text

    return plant


def in_nested(stack, old, new):
    """Changes the text of a nested template."""

    def plant(stacks):
        text = json.dumps(stacks.nested[stack])
        assert old in text, old
        stacks.nested[stack] = json.loads(text.replace(old, new, 1))

    return plant


# Rules.


@rule("a nested stack is given what it asks for and nothing else, and is asked for outputs that it has",
      parameters("Alarms", ApiId=None), parameters("Network", Nam="x"), parameters("Dashboard", EventsTable=None),
      lambda stacks: stacks.nested["Network"]["Outputs"].pop("SubnetB"))
def interfaces(stacks):
    for name, nested in stacks.nested.items():
        declared = nested.get("Parameters", {})
        given = stacks.source["Resources"][name]["Properties"].get("Parameters", {})
        for missing in sorted({key for key, value in declared.items() if "Default" not in value} - set(given)):
            yield f"{name}: needs {missing}"
        for unknown in sorted(set(given) - set(declared)):
            yield f"{name}: has no parameter {unknown}"
    text = json.dumps(stacks.source)
    for name, output in sorted(set(re.findall(r'"(\w+)(?:", "|\.)Outputs\.(\w+)', text))):
        if output not in stacks.nested[name].get("Outputs", {}):
            yield f"{name}: has no output {output}"


@rule("a role that a nested stack makes is bounded as all others are",
      lambda stacks: stacks.nested["Alarms"]["Resources"].update(NewRole={"Type": ROLE, "Properties": {}}),
      parameters("Canary", PermissionsBoundary=""), parameters("Alarms", PermissionsBoundary=None))
def bounded(stacks):
    for name, nested in stacks.nested.items():
        roles = {n: r["Properties"] for n, r in nested["Resources"].items() if r["Type"] == ROLE}
        given = stacks.source["Resources"][name]["Properties"].get("Parameters", {})
        if roles and given.get("PermissionsBoundary") != {"Ref": "PermissionsBoundary"}:
            yield f"{name}: is not told the boundary"
        for role, properties in roles.items():
            if properties.get("PermissionsBoundary") != BOUNDARY:
                yield f"{name}.{role}: is not bounded"


@rule("every queue's oldest message and every dead-letter queue's depth is watched",
      no_alarm("RetriesDeadLettersStay"), no_alarm("IngestDeadLettersArrive"), no_alarm("DeliveriesAreOld"),
      lambda stacks: stacks.source["Resources"].update(NewQueue={"Type": QUEUE}),
      alarm("RetriesAreOld", MetricName="NumberOfMessagesSent"),
      lambda stacks: stacks.nested["Alarms"]["Resources"]["DeliveriesDeadLettersStay"]["Properties"]["Metrics"].pop(),
      parameters("Alarms", RetriesDeadLetters={"Fn::GetAtt": ["RetriesQueue", "QueueName"]}))
def queues(stacks):
    template = stacks.expanded()
    watched = {(metric, target) for _, _, metric, target in stacks.watched()}
    dead = {target for _, target in template.dead_letters()}
    taken = {queue for _, queue, _ in template.mappings()}
    for name in template.of(QUEUE):
        wanted = ["ApproximateNumberOfMessagesVisible"] if name in dead else ["ApproximateAgeOfOldestMessage"]
        if name in dead & taken:
            # What a function takes again and again is hardly ever visible.
            wanted.append("ApproximateNumberOfMessagesNotVisible")
        for metric in wanted:
            if (metric, name) not in watched:
                yield f"{name}: no alarm reads {metric}"


@rule("every function's errors and throttles, and every table's throttles, are watched",
      no_alarm("IngestFails"), no_alarm("DeliverFails"), no_alarm("TablesThrottle"), no_alarm("FunctionsThrottle"),
      lambda stacks: stacks.nested["Alarms"]["Resources"]["FunctionsThrottle"]["Properties"]["Metrics"].pop())
def functions_and_tables(stacks):
    template = stacks.expanded()
    watched = {(metric, target) for _, _, metric, target in stacks.watched()}
    for name in template.of(FUNCTION):
        for metric in ("Errors", "Invocations", "Throttles"):
            if (metric, name) not in watched:
                yield f"{name}: no alarm reads {metric}"
    for name in template.of(TABLE):
        for metric in ("ReadThrottleEvents", "WriteThrottleEvents"):
            if (metric, name) not in watched:
                yield f"{name}: no alarm reads {metric}"


def judge(name, change):
    return lambda stacks: change(stacks.nested["Gradual"]["Resources"][name]["Properties"])


@rule("what judges a release looks each minute at every function, at the API's answers and at secrets, and calls nobody",
      judge("FunctionsFail", lambda alarm: alarm["Metrics"].pop(1)), judge("FunctionsFail", lambda alarm: alarm["Metrics"].pop()),
      judge("AnswersFail", lambda alarm: alarm["Metrics"].pop()),
      judge("AnswersFail", lambda alarm: alarm["Metrics"][1]["MetricStat"].update(Period=300)),
      judge("AnswersFail", lambda alarm: alarm.update(AlarmActions=["x"])),
      judge("FunctionsFail", lambda alarm: alarm.update(EvaluationPeriods=3)),
      judge("FunctionsFail", lambda alarm: alarm.update(Threshold=100)),
      judge("FunctionsFail", lambda alarm: alarm.update(TreatMissingData="breaching")),
      parameters("Gradual", DeliverFunction={"Ref": "Auth"}), parameters("Gradual", Service="tenday"))
def judges(stacks):
    seen = set()
    given = stacks.source["Resources"]["Gradual"]["Properties"]["Parameters"]
    alarms_ = {n: r["Properties"] for n, r in stacks.nested["Gradual"]["Resources"].items() if r["Type"] == ALARM}
    for name, properties in alarms_.items():
        for each in properties["Metrics"]:
            # Of publishing by a queue, where that is on.
            each = each["Fn::If"][1] if "Fn::If" in each else each
            if "MetricStat" not in each:
                continue
            metric = each["MetricStat"]["Metric"]
            if each["MetricStat"]["Period"] != 60:
                yield f"{name}: {metric['MetricName']} is not looked at each minute"
            for dimension in metric["Dimensions"]:
                seen.add((metric["MetricName"], json.dumps(given.get(dimension["Value"]["Ref"]))))
        wanted = {"Threshold": {"Ref": "Errors"}, "EvaluationPeriods": 1, "TreatMissingData": "notBreaching",
                  "ComparisonOperator": "GreaterThanOrEqualToThreshold"}
        if {key: properties.get(key) for key in wanted} != wanted or properties.get("AlarmActions"):
            yield f"{name}: sounds at another time, or calls somebody"
    watched = {target for metric, target in seen if metric == "Errors"}
    for name in stacks.expanded().of(FUNCTION):
        if not any(f'{{"Ref": "{name}"}}' in target for target in watched):
            yield f"{name}: no alarm of a release reads Errors"
    for metric, what in (("5xx", {"Ref": "Api"}), ("KeyringFailures", {"Fn::Sub": "tenday-${AWS::StackName}"})):
        if (metric, json.dumps(what)) not in seen:
            yield f"no alarm of a release reads {metric} of this stack"


@rule("an alarm reaches somebody, is silent where nothing happens, and is within what CloudWatch evaluates",
      alarm("KeyringFails", AlarmActions=[]), alarm("KeyringFails", TreatMissingData="breaching"),
      alarm("SchedulesDoNotFire", EvaluationPeriods=8), alarm("RetriesAreOld", EvaluationPeriods=1441),
      alarm("TablesThrottle", AlarmActions=None))
def alarms(stacks):
    for name, properties in stacks.alarms().items():
        if not properties.get("AlarmActions"):
            yield f"{name}: tells nobody"
        missing = "breaching" if name in SOUNDS_WHERE_NOTHING_HAPPENS else "notBreaching"
        if properties.get("TreatMissingData") != missing:
            yield f"{name}: what is missing is not {missing}"
        stats = [metric["MetricStat"]["Period"] for metric in properties.get("Metrics", []) if "MetricStat" in metric]
        period = properties.get("Period") or max(stats)
        # PutMetricAlarm: seven days, and one day for periods of less than an hour.
        if period * properties["EvaluationPeriods"] > (604_800 if period >= 3600 else 86_400):
            yield f"{name}: looks back further than CloudWatch does"
        if len(stats) > 10:
            yield f"{name}: reads {len(stats)} metrics; an expression takes ten"


@rule("an alarm or a widget reads metrics that the functions emit, by the dimensions they emit them with",
      alarm("KeyringFails", MetricName="KeyringFailure"), alarm("DroppedByUs", Dimensions=[]),
      in_nested("Dashboard", "SchedulesFired", "SchedulesFried"), in_nested("Dashboard", "MetricName=\\\\\\\"Attempts",
                                                                          "MetricName=\\\\\\\"Attempt"))
def own_metrics(stacks):
    for name, properties in stacks.alarms().items():
        for metric in metrics(properties):
            if metric["Namespace"] != "Tenday":
                continue
            dimensions = {dimension["Name"] for dimension in metric.get("Dimensions", [])}
            expected = {"Service", emitted().get(metric["MetricName"], "?")} - {None}
            if dimensions != expected:
                yield f"{name}: {metric['MetricName']} by {sorted(dimensions)} is nothing that is emitted"
    for title, metric in widgets(stacks):
        if metric not in emitted():
            yield f"the widget `{title}` reads {metric}, which is nothing that is emitted"


def widgets(stacks):
    """(title, metric) of what the dashboard reads of our own."""
    body = json.loads(stacks.nested["Dashboard"]["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])
    for widget in body["widgets"]:
        for line in widget["properties"]["metrics"]:
            if line[0] == "Tenday":
                yield widget["properties"]["title"], line[1]
            elif isinstance(line[0], dict):
                for metric in re.findall(r'MetricName="(\w+)"', line[0]["expression"]):
                    yield widget["properties"]["title"], metric


@rule("every alarm links to a runbook that tells what it means, what users see, how to look, mend and verify",
      alarm("KeyringFails", AlarmDescription="It fails."), page("keyring-failures", lambda text: None),
      page("throttles", lambda text: text.replace("## Mend", "## Hope")),
      lambda stacks: stacks.pages.update(unused="\n".join(f"## {head}" for head in PAGE_HAS)))
def runbooks(stacks):
    linked = set()
    for name, properties in stacks.alarms().items():
        page_name = page_of(properties)
        linked.add(page_name)
        if page_name not in stacks.pages:
            yield f"{name}: has no page under docs/runbooks"
    for name, text in stacks.pages.items():
        for head in PAGE_HAS:
            if f"\n## {head}\n" not in f"\n{text}\n":
                yield f"docs/runbooks/{name}.md: does not say `{head}`"
        if name not in linked and f"(runbooks/{name}.md)" not in stacks.documents["docs/operations.md"]:
            yield f"docs/runbooks/{name}.md: neither an alarm nor docs/operations.md links to it"


@rule("the documentation says how many alarms there are and what they cost",
      no_alarm("KeyringFails"), no_alarm("IngestFails"), no_alarm("NothingIsDelivered"),
      lambda stacks: stacks.nested["Alarms"]["Resources"]["ApiFails"]["Properties"]["Metrics"].pop())
def costs(stacks):
    count, read = Counter(), Counter()
    for name, resource in stacks.nested["Alarms"]["Resources"].items():
        if resource["Type"] == ALARM:
            count[resource.get("Condition")] += 1
            read[resource.get("Condition")] += len(metrics(resource["Properties"]))
    by_queue = "IngestIsOn"
    together = read[None] + read[by_queue]
    says = {
        "docs/operations.md": [
            f"{count[None]} of them, {count[None] + count[by_queue]} with `{by_queue}`",
            f"{read[None]} in all, {read[by_queue]} more with `{by_queue}`, {read['EgressIsStatic']} with `StaticEgress`, "
            f"{read['CanaryIsOn']} with the canary"],
        "docs/deploy.md": [
            f"alarms {read[None]} metrics × $0.10 = {read[None] / 10:.2f} ({together} with publishing by a queue, "
            f"{read['EgressIsStatic']} more with fixed addresses, {read['CanaryIsOn']} with the canary)"],
    }
    for document, sentences in says.items():
        for sentence in sentences:
            if sentence not in stacks.documents[document]:
                yield f"{document} does not say: {sentence}"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("template")
    arguments.add_argument("--self-test", action="store_true")
    options = arguments.parse_args()
    stacks = read(options.template)
    if options.self_test:
        planted, problems = RULES.self_test(stacks)
        done = f"{len(RULES)} rules, {planted} planted mistakes, all caught"
    else:
        problems = RULES.check(stacks)
        done = f"{len(RULES)} rules hold for {', '.join(stacks.nested)}; {len(stacks.alarms())} alarms, " \
               f"{len(stacks.pages)} runbooks"
    report(options.template, problems, done)


if __name__ == "__main__":
    main()
