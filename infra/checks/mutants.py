"""What the comparison of `deployment.py` sees, shown by mistakes: made by machine, and by hand.

By machine: in every file of the deployment, as it is deployed, each property is deleted, changed, exchanged with its
neighbour and added to, one at a time; each reference is turned to another thing of the same kind. A mutant is seen if the
words that describe the file are others. By hand: golden/mistakes.yaml, in the files themselves.

golden/mutants.md has the numbers, and every mutant that is overlooked with the reason why it may be. One without a reason
fails the check, and so does a reason that nothing needs any more.

    mutants.py      compare mutants.md; `deployment.py --write` writes it

Runs in the environment of requirements-sam.txt.
"""

import json
import os
import re
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor

import yaml

from deployment import AGAIN, GOLDEN, compare, parse, scopes, texts
from describe import dashboard, is_function, words_of

KINDS = ("deleted", "changed", "exchanged", "added")
# Told with each other: the routes' limits are the stage's.
ROUTES = {"AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Stage"}
# So many mutants are asked of a part alone, for one that is asked of the whole too.
ASKED_TWICE = 50
# Why a mutant may be overlooked: what its path and kind match.
REASONS = [
    ("only people read it", r"(?:^|\.)Description |\.comment |^Parameters\.\w+ exchanged"),
    ("AWS takes the list for a set, in which nothing changes places", r"\.(?:Action|Resource|Metrics)\.\d+ exchanged"),
]


def mutants(document):
    """(path, kind) of each mutant, with the document changed until the next one is asked for."""
    resources = document.get("Resources", {}) if isinstance(document, dict) else {}
    kinds = {name: resource.get("Type") for name, resource in resources.items()}

    def other(name):
        """Another resource of the same kind, or another parameter or condition."""
        for names in ([n for n in kinds if kinds[n] == kinds.get(name)], list(document.get("Parameters", {})),
                      list(document.get("Conditions", {}))):
            if name in names and len(names) > 1:
                return names[(names.index(name) + 1) % len(names)]
        return None

    def change(value):
        if isinstance(value, bool):
            return not value
        if isinstance(value, (int, float)):
            return value + 1
        return f"{value}x"

    def changed_copy(item):
        if isinstance(item, dict):
            key = next(iter(item), None)
            return item if key is None else {**item, key: changed_copy(item[key])}
        if isinstance(item, list):
            return [changed_copy(item[0]), *item[1:]] if item else ["x"]
        return change(item)

    def alike(left, right):
        return left != right and isinstance(left, (dict, list)) == isinstance(right, (dict, list))

    def walk(node, path):
        is_list = isinstance(node, list)
        keys = list(range(len(node))) if is_list else list(node)
        for place, key in enumerate(keys):
            here, value = [*path, str(key)], node[key]
            before = list(node) if is_list else dict(node)

            def undo():
                if is_list:
                    node[:] = before
                else:
                    node.clear()
                    node.update(before)

            del node[key]
            yield here, "deleted"
            undo()
            if place + 1 < len(keys) and alike(value, node[keys[place + 1]]):
                node[key], node[keys[place + 1]] = node[keys[place + 1]], value
                yield here, "exchanged"
                undo()
            if isinstance(value, (dict, list)):
                yield from walk(value, here)
                continue
            node[key] = change(value)
            yield here, "changed"
            undo()
            for name in sorted(set(re.findall(r"\w+", value))) if isinstance(value, str) else ():
                if (instead := other(name)) and (value == name or "${" + name in value):
                    node[key] = re.sub(rf"\b{name}\b", instead, value, count=1)
                    yield here, "exchanged"
                    undo()
        if is_list:
            node.append(changed_copy(node[-1]) if node else "x")
            yield [*path, "+"], "added"
            node.pop()
        elif not is_function(node):
            node["Planted"] = "x"
            yield [*path, "+"], "added"
            del node["Planted"]

    yield from walk(document, [])


def part(name, document, path):
    """What tells of this path by itself, and as much of the document: a section, or of the resources those of a kind. They are
    told from nothing else, and the whole takes ten times as long."""
    if not name.endswith(".yaml") or len(path) < 2 or path[0] not in document:
        return None, document
    section = document[path[0]]
    if path[0] != "Resources" or len(path) < 4:
        # What is next to a resource's properties may change its kind.
        return path[0], {path[0]: section}
    kind = section[path[1]]["Type"]
    kinds = ROUTES if kind in ROUTES else {kind}
    return kind, {"Resources": {key: resource for key, resource in section.items() if resource["Type"] in kinds}}


def parts(name, document):
    """Each part of a document that is told by itself, by what `part` calls it."""
    paths = [[], *([section, ""] for section in document),
             *(["Resources", resource, "Properties", ""] for resource in document.get("Resources", {}))]
    return dict(part(name, document, path) for path in paths)


def share(job):
    """Every so manieth mutant: (how many of each file and kind, (number, file, path, kind) of those that nobody sees)"""
    number, of, files, known = job
    made, overlooked = Counter(), []
    for name, document, words_of_it in subjects(files, known):
        words = {what: words_of_it(alone) for what, alone in parts(name, document).items()}

        def is_seen(what, alone):
            try:
                return words_of_it(alone) != words[what]
            except (AttributeError, KeyError, TypeError, ValueError, IndexError):
                # The check would fail of it.
                return True

        for count, (path, kind) in enumerate(mutants(document)):
            if count % of != number:
                continue
            made[name, kind] += 1
            seen = is_seen(*part(name, document, path))
            if count % ASKED_TWICE < of and seen != is_seen(None, document):
                raise RuntimeError(f"{name}: {'.'.join(path)} {kind}: a part of the description depends on another")
            if not seen:
                overlooked.append((name, count, ".".join(path), kind))
        if words_of_it(document) != words[None]:
            raise RuntimeError(f"{name}: a mutant was not taken back")
    return made, overlooked


def subjects(files, known):
    """(name, document, what gives its words); a dashboard is a document within one."""
    for name, text in files.items():
        document = parse(name, text)
        yield name, document, lambda mutant, name=name: words_of(name, mutant, known)
        for resource in document.get("Resources", {}).values():
            if body := resource["Properties"].get("DashboardBody"):
                yield f"{name}, its body", json.loads(body["Fn::Sub"]), lambda mutant: list(dashboard("", json.dumps(mutant)))


def by_machine(files, known):
    """(how many of each file and kind, (file, path, kind) of those that are overlooked)"""
    of = os.cpu_count() or 1
    made, overlooked = Counter(), []
    with ProcessPoolExecutor(of) as pool:
        for counts, missed in pool.map(share, [(number, of, files, known) for number in range(of)]):
            made.update(counts)
            overlooked += missed
    return made, [(name, path, kind) for name, _, path, kind in sorted(overlooked)]


def by_hand(files, known):
    """(how many, those that were not seen)"""
    whole = {name: words_of(name, parse(name, text), known) for name, text in files.items()}
    mistakes = yaml.safe_load((GOLDEN / "mistakes.yaml").read_text(encoding="utf-8"))
    unseen = []
    for mistake in mistakes:
        name, text = mistake["file"], files[mistake["file"]]
        after = text.find(mistake["after"])
        place = text.find(mistake["old"], after)
        if after < 0 or place < 0:
            unseen.append(f"{mistake['says']}: cannot be planted any more")
            continue
        text = text[:place] + mistake["new"] + text[place + len(mistake["old"]):]
        try:
            words = words_of(name, parse(name, text), known)
        except Exception:  # whatever SAM or a parser refuses it with, it is seen
            continue
        if words == whole[name]:
            unseen.append(f"{mistake['says']}: nobody saw it")
    return len(mistakes), unseen


def tell():
    """(the text of mutants.md, what is wrong)"""
    files, known = texts(), scopes()
    made, overlooked = by_machine(files, known)
    planted, problems = by_hand(files, known)
    by_hand_seen = planted - len(problems)
    missed, reasons = Counter(name for name, _, _ in overlooked), defaultdict(lambda: defaultdict(list))
    for name, path, kind in overlooked:
        reason = next((why for why, pattern in REASONS if re.search(pattern, f"{path} {kind}")), None)
        if reason is None:
            problems.append(f"{name}: {path} {kind}, and the description stays as it is")
        else:
            reasons[reason][name, path].append(kind)
    problems += [f"nothing is overlooked because {why}" for why, _ in REASONS if why not in reasons]
    total = sum(made.values())
    lines = [
        "# What the comparison sees, and what it overlooks", "",
        f"Made by `{AGAIN}`; `.ci/run` compares it. How mutants are made:",
        "infra/checks/mutants.py.", "",
        f"- By hand: {planted} mistakes, {by_hand_seen} seen.",
        f"- By machine: {total} mutants, {total - len(overlooked)} seen "
        f"({100 * (total - len(overlooked)) / total:.1f} %). The others are below, each with its reason.",
        "", f"| file | {' | '.join(KINDS)} | overlooked |", "|---|" + "---|" * (len(KINDS) + 1),
    ]
    for name in dict.fromkeys(name for name, _ in made):
        lines.append(f"| {name} | {' | '.join(str(made[name, kind]) for kind in KINDS)} | {missed[name]} |")
    for why, _ in REASONS:
        lines += ["", f"## Overlooked, for {why}", ""]
        lines += [f"- {name}: {path} ({', '.join(kinds)})" for (name, path), kinds in reasons[why].items()]
    return "\n".join(lines) + "\n", problems


def write():
    text, problems = tell()
    (GOLDEN / "mutants.md").write_text(text, encoding="utf-8")
    if problems:
        sys.exit("\n".join(problems))


def main():
    began = time.monotonic()
    text, problems = tell()
    if problems:
        sys.exit("\n".join(problems))
    compare(GOLDEN / "mutants.md", text)
    print(*(line[2:] for line in text.splitlines() if line.startswith("- By ")),
          f"in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
