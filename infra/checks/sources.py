"""What the template gives the functions against what their code asks for: variables, routes, metrics; and what builds them.

The Rust sources are read, not built: `Environment::text` and its like for variables (`std::env::var`, in the function that
has none of ours), `routes!` for routes and route keys for pages, the metrics' enum for metrics. As in `template.py`, each rule carries the mistakes that it must catch, and `--self-test` plants them.

    sources.py TEMPLATE               check
    sources.py TEMPLATE --self-test   plant each mistake

Runs in the environment of requirements-sam.txt.
"""

import argparse
import json
import re
import sys
from functools import cache
from pathlib import Path

from rules import Rules, report
from template import FUNCTION, RESTORED, Template, expand, parse_yaml

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "infra/build"
sys.path.insert(0, str(BUILD))
from functions import functions as built  # noqa: E402

NAME = r'"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"'
# What Lambda itself sets, and what only a local run does.
NOT_THE_TEMPLATES = re.compile(r"AWS_(?!LAMBDA_LOG)|TENDAY_")
# What the template cannot give a function that the API invokes, for the API is made after its functions: they have it of
# each request, by this extractor.
OF_THE_REQUEST = {"API_HOST": "ApiHost", "FRONT_HOST": "ApiHost"}
# A variable that names a resource of the template by another name than its own.
OTHER_NAMES = {"SCHEDULE_GROUP": "Schedules"}
ANY = "x-amazon-apigateway-any-method"


# ------------------------------------------------------------------------------------------------------- the sources


def bodies(text):
    """(type of the `impl`, name, body) of every function in a Rust file, its tests left out."""
    text = text.partition("#[cfg(test)]")[0]
    text = re.sub(r"//[^\n]*", "", text)
    owners = [(found.start(), end_of(text, found.end() - 1), found[1]) for found in
              re.finditer(r"\bimpl(?:<[^>]*>)?\s+(?:\w+(?:<[^>]*>)?\s+for\s+)?(\w+)[^{;]*\{", text)]
    for found in re.finditer(r"\bfn\s+(\w+)[^{;]*\{", text):
        owner = next((name for start, end, name in owners if start < found.start() < end), None)
        yield owner, found[1], text[found.end():end_of(text, found.end() - 1)]


def end_of(text, opening):
    """Where the brace that opens there is closed."""
    depth = 0
    for found in re.finditer(r"[{}]", text[opening:]):
        depth += 1 if found[0] == "{" else -1
        if depth == 0:
            return opening + found.start()
    return len(text)


@cache
def code():
    """(owner, name, body) of every function that has to do with the environment, by where it is: a crate of `functions/`
    or None."""
    found = []
    for path in sorted([*ROOT.glob("functions/*/src/**/*.rs"), *ROOT.glob("shared/*/src/**/*.rs")]):
        relative = path.relative_to(ROOT).parts
        crate = relative[1] if relative[0] == "functions" else None
        for owner, name, body in bodies(path.read_text(encoding="utf-8")):
            if "environment" in body or owner == "Environment":
                found.append((crate, owner, name, body))
    return found


@cache
def variables():
    """By function: every variable that it reads, and whether it must be there."""
    known = {(owner, name): body for _, owner, name, body in code()}
    log = set(re.findall(NAME, (ROOT / "shared/telemetry/src/log.rs").read_text(encoding="utf-8")))

    def read(body, seen):
        names = {name: False for name in re.findall(NAME, body)}
        names |= {name: True for name in re.findall(rf"environment\s*\.(?:text|number|seconds)\({NAME}", body)}
        calls = re.findall(r"(\w+)::(\w+)\(\s*(?:&mut )?environment\b", body)
        calls += [("Environment", name) for name in re.findall(r"environment\s*\.(\w+)\(", body)]
        for call in calls:
            if call in known and call not in seen:
                for name, needed in read(known[call], seen | {call}).items():
                    names[name] = names.get(name, False) or needed
        return names

    result = {}
    for crate, owner, name, body in code():
        if crate and owner is None and "Environment::new()" in body:
            asked = read(body, frozenset()) | dict.fromkeys(log, False)
            result[crate] = {n: needed for n, needed in asked.items() if not NOT_THE_TEMPLATES.match(n)}
    for path in ROOT.glob("functions/*/src/main.rs"):
        if path.parts[-3] not in result:
            sources = "".join(file.read_text(encoding="utf-8") for file in path.parent.glob("*.rs"))
            result[path.parts[-3]] = dict.fromkeys(re.findall(rf"^const \w+: &str = {NAME};", sources, re.MULTILINE), True)
    return result


@cache
def routes():
    """(method, path) → function, of every `routes!`."""
    found = {}
    for path in ROOT.glob("functions/*/src/lib.rs"):
        for table in re.findall(r"routes! \{(.*?)\n\}", path.read_text(encoding="utf-8"), re.DOTALL):
            for method, route in re.findall(r'^\s+(\w+) "([^"]+)"', table, re.MULTILINE):
                found[method, route] = path.parts[-3]
    return found


@cache
def pages():
    """(method, path) → function, of what is no operation but a page for a browser: every route key in the sources."""
    return {(method.lower(), route): path.parts[-3] for path in ROOT.glob("functions/*/src/lib.rs")
            for method, route in re.findall(r'^\s+"([A-Z]+) (/[^"]*)" =>', path.read_text(encoding="utf-8"), re.MULTILINE)}


@cache
def contract():
    """Every (method, path) of the OpenAPI document."""
    paths = json.loads((ROOT / "docs/openapi.json").read_text(encoding="utf-8"))["paths"]
    return {(method, path) for path, methods in paths.items() for method in methods}


@cache
def metrics():
    """What the functions emit, and by which dimension besides Service."""
    text = (ROOT / "shared/telemetry/src/line.rs").read_text(encoding="utf-8").partition("#[cfg(test)]")[0]
    names = dict(re.findall(r'Self::(\w+)(?:\(_\))? => "(\w+)"', text))
    dimensions = dict(re.findall(r'Self::(\w+)\(\w+\) => Some\(\("(\w+)"', text))
    emitted = {name: dimensions.get(variant) for variant, name in names.items()}
    return emitted | dict.fromkeys(re.findall(r'\("(\w+)", &self\.\w+\)', text))


@cache
def writing():
    """The functions that write metrics when an invocation ends: all that are behind the API, and who says so."""
    return {path.parts[-3] for path in ROOT.glob("functions/*/src/*.rs")
            if re.search(r"metrics::flush\(|tenday_api::serve\w*\(", path.read_text(encoding="utf-8"))}


@cache
def asking_requests(variable):
    """The functions whose handlers take from the request what others have of this variable."""
    asked = OF_THE_REQUEST.get(variable)
    return {path.parts[-3] for path in ROOT.glob("functions/*/src/*.rs")
            if asked and re.search(rf":\s*{asked}\b", path.read_text(encoding="utf-8"))}


# ------------------------------------------------------------------------------------------------------------- rules


RULES = Rules(lambda source: Template(source, expand(source)))
rule = RULES.rule


def crate_of(template, function):
    """The crate whose code a function is."""
    return template.get(function, "Code", "S3Key", default="").removeprefix("functions/")


def given(template, function):
    return template.resources[function]["Properties"].get("Environment", {}).get("Variables", {})


def own(function, **changes):
    """Changes a function's variables; None takes one away."""
    def plant(source):
        names = source["Resources"][function]["Properties"].setdefault("Environment", {}).setdefault("Variables", {})
        for name, value in changes.items():
            names.pop(name) if value is None else names.update({name: value})

    return plant


def everywhere(old, new):
    def plant(source):
        names = source["Globals"]["Function"]["Environment"]["Variables"]
        names[new] = names.pop(old)

    return plant


def route(function, event, **changes):
    return lambda source: source["Resources"][function]["Properties"]["Events"][event]["Properties"].update(changes)


@rule("every function is the code of a crate, and every crate is deployed",
      lambda source: source["Resources"]["Auth"]["Properties"].update(CodeUri="functions/webhooks"),
      lambda source: source["Resources"]["Auth"]["Properties"].update(CodeUri="functions/author"),
      lambda source: source["Resources"].pop("DeadLetters"))
def crates(template):
    used = [crate_of(template, name) for name in template.of(FUNCTION)]
    if sorted(used) != sorted(variables()):
        yield f"the functions are {sorted(used)}, the crates {sorted(variables())}"


def metadata(function, **changes):
    return lambda source: source["Resources"][function]["Metadata"].update(changes)


@rule("`sam build` compiles every function by the one call of cargo, and for the processor that it runs on",
      metadata("Auth", BuildMethod="rust-cargolambda"), metadata("Deliver", ContextPath="infra/build/arm64"),
      metadata("Links", WorkingDirectory="functions/links"), lambda source: source["Resources"]["Updates"].pop("Metadata"),
      lambda source: source["Parameters"]["Architecture"]["AllowedValues"].append("riscv64"),
      lambda source: source["Globals"]["Function"].update(Architectures=["x86_64"]),
      lambda source: source["Resources"].update(Other={**source["Resources"]["Auth"], "Properties": {
          name: value for name, value in source["Resources"]["Auth"]["Properties"].items() if name != "Events"}}),
      lambda source: source["Resources"].pop("DeadLetters"))
def builds(template):
    asked = {"BuildMethod": "makefile", "ContextPath": {"Fn::Sub": "infra/build/${Architecture}"}, "WorkingDirectory": "."}
    for name in template.of(FUNCTION):
        if template.source["Resources"][name].get("Metadata") != asked:
            yield f"{name}: Metadata is not {asked}"
        if template.expanded["Resources"][name]["Properties"].get("Architectures") != [{"Ref": "Architecture"}]:
            yield f"{name}: Architectures is not that of its Makefile"
    for architecture in template.parameters["Architecture"]["AllowedValues"]:
        makefile = BUILD / architecture / "Makefile"
        if not makefile.is_file() or f"--architecture {architecture} " not in makefile.read_text(encoding="utf-8"):
            yield f"{makefile.relative_to(ROOT)} does not build for {architecture}"
    deployed = {name: crate_of(template, name) for name in template.of(FUNCTION)}
    if deployed != built():
        yield f"infra/build/functions.py builds {built()}, and {deployed} is deployed"


@rule("a function has every variable that its code reads, also one that may be missing, and none that no code reads",
      own("Deliver", API_HOST=None), own("Webhooks", PUBLIC_HOST=None), own("Deliver", SCHEDULE_GROUP=None),
      own("Updates", DELIVERIES_QUEUE=1), own("Auth", PUBLIC_HOST="x"),
      own("DeveloperDashboard", DASHBOARD_FRAME_ANCESTORS=None), everywhere("TOKEN_ISSUER", "TOKEN_ISSUERS"),
      everywhere("AWS_LAMBDA_LOG_LEVEL", "LOG_LEVEL"))
def environment(template):
    everyone = template.source.get("Globals", {}).get("Function", {}).get("Environment", {}).get("Variables", {})
    for name in template.of(FUNCTION):
        asked, has = variables().get(crate_of(template, name), {}), given(template, name)
        for variable in sorted(set(asked) - set(has)):
            if crate_of(template, name) in asking_requests(variable):
                continue
            yield f"{name}: its code reads {variable}, {'and fails without' if asked[variable] else 'if it is there'}"
        for variable in sorted(set(has) - set(asked) - set(everyone)):
            yield f"{name}: its code does not read {variable}"
    read = {variable for asked in variables().values() for variable in asked}
    for variable in sorted(set(everyone) - read):
        yield f"Globals: no code reads {variable}"


@rule("a variable names the resource that it says, by what it says: a table, a queue's URL, an ARN",
      own("Deliver", RETRIES_QUEUE_URL={"Ref": "DeliveriesQueue"}),
      own("Deliver", RETRIES_QUEUE_ARN={"Ref": "RetriesQueue"}),
      own("Deliver", SCHEDULER_ROLE_ARN={"Fn::GetAtt": ["DeliverRole", "Arn"]}),
      own("Auth", KEYRING_KEY={"Ref": "KeyringKey"}), own("Updates", EVENTS_TABLE={"Ref": "SettingsTable"}),
      own("Deliver", SCHEDULE_GROUP={"Fn::GetAtt": ["Schedules", "Arn"]}))
def named(template):
    for function in template.of(FUNCTION):
        for variable, value in given(template, function).items():
            base = re.sub(r"_(URL|ARN)$", "", variable)
            name = OTHER_NAMES.get(variable, "".join(part.capitalize() for part in base.split("_")))
            if name not in template.resources:
                continue
            by_arn = variable.endswith(("_ARN", "_KEY"))
            # What may be restored stands behind what takes its place.
            if isinstance(value, dict) and value.get("Fn::If", [None])[0] in RESTORED.values():
                value = value["Fn::If"][2]
            if value != ({"Fn::GetAtt": [name, "Arn"]} if by_arn else {"Ref": name}):
                yield f"{function}: {variable} is {json.dumps(value)}"


@rule("whoever writes metrics gives them the name of their deployment, which the alarms ask for",
      lambda source: source["Globals"]["Function"]["Environment"]["Variables"].pop("METRICS_SERVICE"),
      own("Auth", METRICS_SERVICE="tenday"))
def names_of_metrics(template):
    everyone = template.source.get("Globals", {}).get("Function", {}).get("Environment", {}).get("Variables", {})
    for name in template.of(FUNCTION):
        crate = crate_of(template, name)
        if crate in writing() and "METRICS_SERVICE" not in variables()[crate]:
            yield f"{name}: its metrics are nobody's"
        if given(template, name).get("METRICS_SERVICE") != everyone.get("METRICS_SERVICE", "missing"):
            yield f"{name}: its metrics are another deployment's"


@rule("every route of the code leads to its function, by its method and path, and the contract has the same, but for pages",
      route("DeveloperDashboard", "Page", Path="/dashboards"), route("DeveloperDashboard", "Reference", Method="POST"),
      route("Updates", "View", Method="POST"), route("Links", "Test", Path="/webhooks/test/link/{linkId}"),
      route("Configuration", "View", Method="FETCH"), route("Configuration", "View", Method="ANY"),
      route("Configuration", "Restore", Path="configuration/restore/{requestId}"),
      lambda source: source["Resources"]["Events"]["Properties"]["Events"].pop("Job"),
      lambda source: source["Resources"]["Auth"]["Properties"]["Events"].update(
          Old=source["Resources"]["Links"]["Properties"]["Events"].pop("View")))
def ways(template):
    deployed = {(method, path): crate_of(template, target) if target in template.resources else None
                for path, method, target, _ in template.routes() if path != "$default"}
    answered = routes() | pages()
    for key in sorted(set(deployed) ^ set(answered)):
        yield f"{key[0].upper()} {key[1]}: only the {'template' if key in deployed else 'code'} has it"
    for key in sorted(set(routes()) ^ contract()):
        yield f"{key[0].upper()} {key[1]}: only the {'code' if key in routes() else 'contract'} has it"
    for key in sorted(set(deployed) & set(answered)):
        if deployed[key] != answered[key]:
            yield f"{key[0].upper()} {key[1]}: leads to {deployed[key]}, and {answered[key]} answers it"


@cache
def called_by():
    """The header by which the code is told what the caller called, wherever it is read."""
    return {found for path in ("shared/api/src/host.rs", "functions/dashboard/src/request.rs")
            for found in re.findall(r'"(x-[\w-]+-host)"', (ROOT / path).read_text(encoding="utf-8"))}


@rule("the front says what the caller called by the header that the code reads, and what it is called itself is no callback",
      own("Deliver", FRONT_HOST=""), own("Deliver", FRONT_HOST={"Ref": "PublicHost"}),
      own("Webhooks", PUBLIC_HOST={"Ref": "PublicHost"}),
      lambda source: source["Resources"]["Front"]["Properties"].update(TemplateURL="infra/canary.yaml"))
def front(template):
    nested = ROOT / template.resources["Front"]["Properties"]["TemplateURL"]
    says = set(re.findall(r"request\.headers\['([\w-]+)'\] = \{ value: request\.headers\.host\.value \}",
                          nested.read_text(encoding="utf-8")))
    if says != called_by():
        yield f"the front says {sorted(says)}, the code reads {sorted(called_by())}"
    known = json.dumps({"Fn::If": ["FrontDomainIsGiven", {"Ref": "FrontDomainName"}, {"Ref": "PublicHost"}]})
    for name in template.of(FUNCTION):
        variables_ = given(template, name)
        if "PUBLIC_HOST" in variables_ and known not in json.dumps(variables_["PUBLIC_HOST"]):
            yield f"{name}: the front's domain can be a callback"
        if "FRONT_HOST" in variables_ and "Front" not in json.dumps(variables_["FRONT_HOST"]):
            yield f"{name}: the front itself can be a callback"


@rule("whatever no route takes is answered by a function that has the contract, so that a 404 has our error body",
      route("Configuration", "Unknown", Path="/none"),
      lambda source: source["Resources"]["Links"]["Properties"]["Events"].update(
          Unknown=source["Resources"]["Configuration"]["Properties"]["Events"].pop("Unknown")))
def default_route(template):
    answers = [crate_of(template, target) for path, method, target, _ in template.routes()
               if path == "$default" and method == ANY and target in template.resources]
    if answers != [routes()["get", "/openapi.json"]]:
        yield f"$default leads to {answers}"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("template")
    arguments.add_argument("--self-test", action="store_true")
    options = arguments.parse_args()
    source = parse_yaml(Path(options.template).read_text(encoding="utf-8"))
    if options.self_test:
        planted, problems = RULES.self_test(source)
        done = f"{len(RULES)} rules, {planted} planted mistakes, all caught"
    else:
        problems = RULES.check(source)
        done = f"{len(routes())} routes, {len(pages())} pages, {sum(map(len, variables().values()))} variables and {len(metrics())} metrics " \
               f"of the code are as the template has them"
    report(options.template, problems, done)


if __name__ == "__main__":
    main()
