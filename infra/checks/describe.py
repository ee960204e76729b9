"""A template, samconfig.toml or a stack policy in words that a person can review: `deployment.py` compares them.

Invariant: everything that is deployed is in the words. What no line here knows of is told as `path = value`, so a property
that nobody has thought of cannot be overlooked. Left out is what only people read (`Description`), and how lists are
ordered that AWS takes for sets. The words are the same for two templates only if they deploy the same.
"""

import copy
import json
import re
from collections import Counter

SIGNS = {"GreaterThanThreshold": ">", "GreaterThanOrEqualToThreshold": ">=", "LessThanThreshold": "<",
         "LessThanOrEqualToThreshold": "<="}
FUNCTIONS = {"Fn::Equals": "=", "Fn::And": "and", "Fn::Or": "or"}
POLICIES = {"PolicyDocument", "AssumeRolePolicyDocument", "KeyPolicy"}
HEADINGS = {
    "AWS::Lambda::Function": "Functions", "AWS::IAM::Role": "Roles", "AWS::SQS::Queue": "Queues",
    "AWS::Lambda::EventSourceMapping": "What reads queues", "AWS::DynamoDB::Table": "Tables",
    "AWS::Logs::LogGroup": "Logs", "AWS::CloudFormation::Stack": "Nested stacks",
    "AWS::ApiGatewayV2::Stage": "The API's stage", "AWS::Lambda::Permission": "What the API may invoke",
    "AWS::CloudWatch::Alarm": "Alarms",
}
# Whose description is more than words for people: CloudFormation makes another of these where it changes.
DESCRIBED = {"AWS::EC2::SecurityGroup", "AWS::Lambda::Function", "AWS::Lambda::Version"}
# What was told of a resource, by the resource.
KNOWN = {}
# So many of a kind, and what most of them have is told once.
MANY = 3


# ------------------------------------------------------------------------------------------------------------ values


def is_function(node):
    """Whether it is one of CloudFormation's functions."""
    return isinstance(node, dict) and len(node) == 1 and (next(iter(node)) in ("Ref", "Condition")
                                                          or next(iter(node)).startswith("Fn::"))


def say(node):
    """A value in a line: `{X}` is what `Ref` gives of X, `{X.Arn}` an attribute."""
    if isinstance(node, bool):
        return "yes" if node else "no"
    if isinstance(node, list):
        return f"[{', '.join(map(say, node))}]"
    if is_function(node):
        return function(*next(iter(node.items())))
    if isinstance(node, dict):
        return f"({', '.join(f'{key}: {say(value)}' for key, value in sorted(node.items()))})"
    text = str(node)
    return text if text and text == " ".join(text.split()) else json.dumps(text)


def function(name, argument):
    match name, argument:
        case "Ref", "AWS::NoValue":
            return "nothing"
        case "Ref", str():
            return f"{{{argument}}}"
        case "Condition", str():
            return argument
        case "Fn::GetAtt", [*parts] if all(isinstance(part, str) for part in parts):
            return f"{{{'.'.join(parts)}}}"
        case "Fn::GetAtt", str():
            return f"{{{argument}}}"
        case "Fn::Sub", str():
            return say(argument.replace("${", "{"))
        case "Fn::Sub", [str(text), dict(given)]:
            for key, value in given.items():
                text = text.replace(f"${{{key}}}", say(value))
            unused = [key for key in given if f"${{{key}}}" not in argument[0]]
            return say(text.replace("${", "{")) + "".join(f" (unused: {key})" for key in unused)
        case "Fn::If", [condition, then, otherwise]:
            return f"({say(condition)} ? {say(then)} : {say(otherwise)})"
        case "Fn::Not", [of]:
            return f"not {say(of)}"
        case ("Fn::Equals" | "Fn::And" | "Fn::Or"), [*sides]:
            return f"({f' {FUNCTIONS[name]} '.join(map(say, sides))})"
    return f"{name.removeprefix('Fn::')} {say(argument)}"


def flat(path, node):
    """(path, words) of every leaf below; policies are one line a statement."""
    key = path.rpartition(".")[2]
    if key in POLICIES and isinstance(node, dict):
        yield from policy(path, node)
    elif key == "DashboardBody" and is_function(node) and isinstance(body := node.get("Fn::Sub"), str):
        yield from dashboard(path, body)
    elif isinstance(node, dict) and node and not is_function(node):
        for name, value in sorted(node.items()):
            yield from flat(f"{path}.{name}" if path else name, value)
    elif isinstance(node, list) and any(isinstance(item, dict) and not is_function(item) for item in node):
        for number, item in enumerate(node):
            if is_small(item):
                yield f"{path}[{number}]", say(item)
            else:
                yield from flat(f"{path}[{number}]", item)
    else:
        yield path, say(node)


def is_small(item):
    """Whether a line holds it: neither lists nor objects are in it."""
    return isinstance(item, dict) and all(not isinstance(value, (dict, list)) or is_function(value)
                                          for value in item.values())


def listed(one_or_many):
    return one_or_many if isinstance(one_or_many, list) else [one_or_many]


def policy(path, document):
    document = copy.deepcopy(document)
    statements = document.pop("Statement", [])
    if document.pop("Version", None) != "2012-10-17":
        yield f"{path}.Version", "not 2012-10-17, whose variables and wildcards are others"
    if document:
        yield path, say(document)
    for number, one in enumerate(listed(statements)):
        yield f"{path}[{number}]", statement(one)


def statement(one):
    """`Allow Service lambda.amazonaws.com: sts:AssumeRole on … if …`"""
    if not isinstance(one, dict):
        return say(one)
    one = dict(one)
    words = [str(one.pop("Effect", "no Effect:"))]
    if "Principal" in one:
        words.append(say(one.pop("Principal")) + ":")
    # A set, to AWS: its order says nothing.
    words.append(", ".join(sorted(map(say, listed(one.pop("Action", "no Action"))))))
    if "Resource" in one:
        words.append("on " + ", ".join(sorted(map(say, listed(one.pop("Resource"))))))
    if "Condition" in one:
        words.append(f"if {say(one.pop('Condition'))}")
    return " ".join(words + [f"and {say(one)}"] * bool(one))


def dashboard(path, body):
    """A widget is a line, and each metric another."""
    body = json.loads(body)
    for number, widget in enumerate(body.pop("widgets", [])):
        shown = widget.get("properties", {})
        lines = shown.pop("metrics", [])
        title = shown.pop("title", "no title")
        yield f"“{title}”", say(widget).replace("${", "{")
        for place, line in enumerate(lines):
            yield f"“{title}” {place}", say(line).replace("${", "{")
    if body:
        yield path, say(body)


# --------------------------------------------------------------------------------------------------------- resources


class Words:
    """The words of one template. `scopes` has the token's scope of every (method, path)."""

    def __init__(self, document, scopes=None):
        self.document = {key: value for key, value in document.items() if key != "Description"}
        self.scopes = scopes or {}
        self.lines = []

    def add(self, *lines):
        self.lines += lines

    def of(self, kind):
        return {name: r for name, r in self.document.get("Resources", {}).items() if r.get("Type") == kind}

    def all(self):
        for section, tell in (("Parameters", self.parameters), ("Conditions", self.conditions),
                              ("Resources", self.resources), ("Outputs", self.outputs)):
            if told := self.document.pop(section, None):
                self.document[section] = told
                tell(told)
                del self.document[section]
        if self.document:
            self.add("", "### Else", *items(flat("", without_comments(self.document))))
        return self.lines

    def parameters(self, parameters):
        self.add("", "### Parameters", "")
        for name, parameter in parameters.items():
            left = {key: value for key, value in parameter.items() if key != "Description"}
            kind, allowed = left.pop("Type", "no type"), left.pop("AllowedValues", None)
            words = [f"- {name}: {kind}"]
            words.append(f"= {say(left.pop('Default'))}" if "Default" in left else "to be given")
            words += [f"one of {say(allowed)}"] * (allowed is not None) + [f"{k} {say(v)}" for k, v in left.items()]
            self.add(", ".join(words))

    def conditions(self, conditions):
        self.add("", "### Conditions", "", *(f"- {name}: {say(value)}" for name, value in conditions.items()))

    def outputs(self, outputs):
        self.add("", "### Outputs", "")
        for name, output in outputs.items():
            left = {key: value for key, value in output.items() if key != "Description"}
            when = f" if {left.pop('Condition')}" if "Condition" in left else ""
            rest = "".join(f", {path} = {words}" for path, words in flat("", left) if path != "Value")
            self.add(f"- {name}{when}: {say(left.get('Value'))}{rest}")

    def resources(self, resources):
        kinds = list(dict.fromkeys(r.get("Type") for r in resources.values()))
        if "AWS::ApiGatewayV2::Api" in kinds:
            kinds.remove("AWS::ApiGatewayV2::Api")
            key = repr((self.of("AWS::ApiGatewayV2::Api"), self.of("AWS::ApiGatewayV2::Stage")))
            if key not in KNOWN:
                before = len(self.lines)
                self.routes()
                KNOWN[key] = self.lines[before:]
            else:
                self.add(*KNOWN[key])
        for kind in kinds:
            own = self.of(kind)
            self.add("", f"### {HEADINGS.get(kind, kind)}")
            facts = {name: self.known_facts(kind, resource) for name, resource in own.items()}
            most = common(list(facts.values())) if len(own) >= MANY else {}
            if most:
                self.add("", "All, unless they say otherwise:", *items(most.items()))
            for name, resource in own.items():
                when = f" if {resource['Condition']}" if "Condition" in resource else ""
                self.add("", f"**{name}**{when}" + (f" ({kind})" if kind not in HEADINGS else ""))
                own_facts = [(path, words) for path, words in facts[name].items() if most.get(path) != words]
                own_facts += [(path, "not given") for path in most if path not in facts[name]]
                self.add(*items(own_facts))

    def known_facts(self, kind, resource):
        """The facts of a resource, which are the same as last time if it is: mutants.py asks thousands of times."""
        if kind == "AWS::ApiGatewayV2::Stage":
            return dict(self.facts(kind, resource))
        key = repr(resource)
        if key not in KNOWN:
            KNOWN[key] = dict(self.facts(kind, resource))
        return KNOWN[key]

    def facts(self, kind, resource):
        """(path, words) of a resource. What belongs to it and not to its properties comes with its own name."""
        resource = copy.deepcopy(resource)
        resource.pop("Type", None)
        resource.pop("Condition", None)
        properties = resource.pop("Properties", {})
        properties = properties if isinstance(properties, dict) else {"Properties": properties}
        if kind == "AWS::CloudWatch::Alarm":
            yield from alarm(properties)
        for path, words in flat("", without_comments(resource)) if resource else ():
            # Not a property, but what CloudFormation does with the resource.
            yield f"({path})", words
        if kind not in DESCRIBED:
            properties.pop("Description", None)
        if kind == "AWS::ApiGatewayV2::Stage":
            self.told_with_routes(properties)
        for path, words in flat("", properties):
            # The property is what a reader looks for, not on which list it is.
            yield path.removeprefix("Environment.Variables."), words

    def limits(self):
        """The limits by route of each stage."""
        for stage in self.of("AWS::ApiGatewayV2::Stage").values():
            yield stage.get("Properties", {}).get("RouteSettings", {})

    def told_with_routes(self, stage):
        """Of a stage's limits, those that are of no route are still to be told."""
        routes = {key for key, *_ in self.operations()}
        limits = stage.get("RouteSettings", {})
        for key in [key for key in limits if key in routes]:
            del limits[key]
        if not limits:
            stage.pop("RouteSettings", None)

    def operations(self):
        """(route, path, method, operation)"""
        for api in self.of("AWS::ApiGatewayV2::Api").values():
            for path, methods in api.get("Properties", {}).get("Body", {}).get("paths", {}).items():
                for method, operation in methods.items():
                    verb = "ANY" if method.startswith("x-amazon") else method.upper()
                    yield "$default" if path == "$default" else f"{verb} {path}", path, method, operation

    def routes(self):
        self.add("", "### Routes", "", "The last column is told only where the stage's own limits do not hold.", "",
                 "| route | function | scope of the token | limits |", "|---|---|---|---|")
        rows, usual = [], Counter()
        for key, path, method, operation in self.operations():
            operation = copy.deepcopy(operation)
            integration = operation.pop("x-amazon-apigateway-integration", {})
            target = re.fullmatch(r"arn:\{AWS::Partition\}:apigateway:\{AWS::Region\}:lambda:path/2015-03-31/functions/"
                                  r"\{(\w+)Alias(\w+)\}/invocations", say(integration.get("uri", "")))
            integration["uri"] = "a function's alias" if target else integration.get("uri")
            parameters = operation.pop("parameters", [])
            if parameters != [{"required": True, "name": found, "in": "path"} for found in
                              re.findall(r"\{(\w+)\+?\}", path)]:
                operation["parameters"] = parameters
            rest = dict(flat("", operation | {"integration": integration}))
            usual.update(rest.items())
            limits = [say(each[key]) for each in self.limits() if key in each]
            rows.append((path, key, target and f"{target[1]}:{target[2]}", self.scopes.get((method, path), "not in the contract"),
                         " ".join(limits), rest))
        most = dict(fact for fact, count in usual.items() if 2 * count > len(rows))
        for _, key, target, scope, limits, rest in sorted(rows, key=lambda row: row[:2]):
            odd = [f"{name}: {words}" for name, words in rest.items() if most.get(name) != words]
            odd += [f"{name}: not given" for name in most if name not in rest]
            self.add(f"| {key} | {target} | {scope} | {', '.join([limits] * bool(limits) + odd)} |")
        self.add("", "Each route, unless it says otherwise:", *items(most.items()))
        for name, api in self.of("AWS::ApiGatewayV2::Api").items():
            api = copy.deepcopy(api)
            api.get("Properties", {}).get("Body", {}).pop("paths", None)
            self.add("", f"**{name}**", *items(flat("", without_comments(api))))


def without_comments(node):
    """Why something is skipped is for people; what is skipped is not."""
    if isinstance(node, dict):
        return {key: without_comments(value) for key, value in node.items() if key != "comment"}
    return [without_comments(item) for item in node] if isinstance(node, list) else node


def items(facts):
    return [f"- {path}: {words}" if path else f"- {words}" for path, words in facts]


def common(all_facts):
    """What two thirds of the resources have alike."""
    counts = Counter((path, words) for facts in all_facts for path, words in facts.items())
    least = max(MANY, (2 * len(all_facts) + 2) // 3)
    return {path: words for (path, words), count in counts.items() if count >= least}


def alarm(properties):
    """What sounds and when, in a line; each metric of an expression in another. Takes what it tells."""
    def take(key, otherwise="?"):
        return say(properties.pop(key)) if key in properties else otherwise

    yield "name", take("AlarmName")
    queries = properties.pop("Metrics", None)
    told = [query(dict(each)) for each in queries] if queries is not None else []
    if queries is None:
        measure = (f"{take('Statistic')} of {take('Namespace')} {take('MetricName')} "
                   f"{dimensions(properties.pop('Dimensions', []))} in {take('Period')} s")
    else:
        shown = [words for identity, words, is_shown in told if is_shown]
        measure = " and ".join(shown) or "nothing"
    periods = take("EvaluationPeriods")
    sign = SIGNS.get(properties.get("ComparisonOperator"))
    sign = properties.pop("ComparisonOperator") and sign if sign else take("ComparisonOperator")
    yield "sounds", (f"{measure} {sign} {take('Threshold')}, {take('DatapointsToAlarm', periods)} of {periods} times")
    for identity, words, is_shown in told:
        if not is_shown:
            yield identity, words
    yield "says", take("AlarmDescription")


def query(each):
    """(id, words, whether it is what is compared) of one of an alarm's metrics."""
    identity, shown = say(each.pop("Id", "?")), each.pop("ReturnData", True) is not False
    if isinstance(each.get("MetricStat"), dict):
        stat = dict(each.pop("MetricStat"))
        metric = dict(stat.pop("Metric", {}))
        words = (f"{say(stat.pop('Stat', '?'))} of {say(metric.pop('Namespace', '?'))} "
                 f"{say(metric.pop('MetricName', '?'))} {dimensions(metric.pop('Dimensions', []))} "
                 f"in {say(stat.pop('Period', '?'))} s")
        each |= stat | metric
    else:
        words = f"{identity}: {say(each.pop('Expression', '?'))} ({say(each.pop('Label', 'no label'))})"
    return identity, words + (f" {say(each)}" if each else ""), shown


def dimensions(given):
    return "(" + ", ".join(f"{say(d.get('Name'))}={say(d.get('Value'))}"
                           + "".join(f" {key}" for key in d if key not in ("Name", "Value")) for d in given) + ")"


# -------------------------------------------------------------------------------------------------------- whole files


def words_of(name, document, scopes=None):
    """The lines that describe one file of the deployment."""
    if name.endswith(".yaml"):
        return [f"## {name}", *Words(document, scopes).all(), ""]
    if name.endswith(".json"):
        return [f"## {name}", "", *items(policy("", {"Version": "2012-10-17"} | document)), ""]
    return [f"## {name}", "", *items(flat("", document)), ""]
