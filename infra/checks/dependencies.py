"""The bans, licences and sources of deny.toml, checked within seconds.

A second TLS or HTTP stack comes in by one careless feature of one dependency, costs every cold start, and shows in no
test. cargo-deny would find it, but takes minutes to compile; this asks cargo itself. It is stricter in one thing: the
packages that template.yaml deploys may have no banned crate at all, `wrappers` or not.

    dependencies.py              check
    dependencies.py --self-test  show that each rule of deny.toml can fail

Needs nothing but Python 3.11 and cargo.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What a function is deployed on: a dependency may be for one platform only.
PLATFORM = "aarch64-unknown-linux-gnu"


def cargo(*arguments):
    command = ["cargo", *arguments, "--locked"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout


def deployed():
    """The directories of the packages whose binaries template.yaml deploys."""
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")
    return sorted(set(re.findall(r"^\s*CodeUri:\s*(\S+)", template, re.MULTILINE)))


def tree(directory):
    """(name, version) of everything that a package's binary links."""
    lines = cargo("tree", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--target", PLATFORM,
                  "--manifest-path", f"{directory}/Cargo.toml").splitlines()
    return {re.match(r"(\S+) v(\S+)", line).groups() for line in lines if line.strip()}


def number(version):
    return [int(part) for part in re.findall(r"\d+", version.partition("-")[0].partition("+")[0])]


def bans(rules, packages):
    """`packages` against the banned crates, none of which is allowed here."""
    for entry in rules["bans"]["deny"]:
        name, _, below = entry["crate"].partition(":<")
        versions = sorted(version for package, version in packages if package == name)
        if entry.get("deny-multiple-versions"):
            if len(versions) > 1:
                yield f"{name} more than once: {', '.join(versions)}"
            continue
        for version in versions:
            if not below or number(version) < number(below):
                yield f"{name} {version}: {entry['reason']}"


def licensed(expression, allowed):
    """Whether an SPDX expression is met by the allowed licences. A slash is crates.io's old spelling of OR."""
    words = re.findall(r"\(|\)|/|[\w.+-]+", expression)

    def either():
        met = both()
        while words and words[0] in ("OR", "/"):
            words.pop(0)
            # Read to the end whatever the first half said.
            met = both() or met
        return met

    def both():
        met = one()
        while words and words[0] == "AND":
            words.pop(0)
            met = one() and met
        return met

    def one():
        word = words.pop(0)
        if word == "(":
            met = either()
            words.pop(0)
            return met
        if words and words[0] == "WITH":
            word = f"{word} WITH {words[1]}"
            del words[:2]
        return word in allowed

    return either()


def everything(rules, packages):
    """All packages of the workspace and of what it builds with, against licences and sources."""
    allowed = set(rules["licenses"]["allow"])
    for package in packages:
        name = f"{package['name']} {package['version']}"
        if not package["license"]:
            yield f"{name}: no licence"
        elif not licensed(package["license"], allowed):
            yield f"{name}: licence {package['license']}"
        if package["source"] and not re.fullmatch(r"registry\+https://\S+/crates\.io-index", package["source"]):
            yield f"{name}: from {package['source']}"


def self_test(rules):
    crates_io = "registry+https://example/crates.io-index"
    good = {"name": "a", "version": "1.0.0", "license": "(MIT OR GPL-3.0) AND ISC", "source": crates_io}
    for change in ({"license": "GPL-3.0"}, {"license": "MIT AND GPL-3.0"}, {"license": None},
                   {"license": "MIT WITH odd-exception"}, {"source": "git+https://example/a"}):
        if not list(everything(rules, [good | change])):
            yield f"{change} went unseen"
    for license_ in (good["license"], "Apache-2.0 WITH LLVM-exception", "GPL-3.0/MIT", "ISC AND (GPL-3.0 OR MIT-0)"):
        if problems := list(everything(rules, [good | {"license": license_}])):
            yield f"complains of what is allowed: {problems}"
    for entry in rules["bans"]["deny"]:
        name, _, below = entry["crate"].partition(":<")
        planted = {(name, "0.0.9")} | ({(name, "1.0.0")} if entry.get("deny-multiple-versions") else set())
        if not any(name in problem for problem in bans(rules, planted)):
            yield f"{entry} went unseen"
        if below and list(bans(rules, {(name, f"{below}.0")})):
            yield f"{entry} complains of {below}.0"


def main():
    rules = tomllib.loads((ROOT / "deny.toml").read_text(encoding="utf-8"))
    if sys.argv[1:] == ["--self-test"]:
        problems = list(self_test(rules))
        done = f"{len(rules['bans']['deny'])} bans, licences and sources: each seen to fail"
    else:
        packages = json.loads(cargo("metadata", "--format-version", "1"))["packages"]
        problems = list(everything(rules, packages))
        functions = {directory: tree(directory) for directory in deployed()}
        for directory, crates in functions.items():
            problems += [f"{directory}: {problem}" for problem in bans(rules, crates)]
        if not functions:
            problems.append("template.yaml deploys nothing")
        counts = ", ".join(f"{directory} {len(crates)}" for directory, crates in functions.items())
        done = f"{len(packages)} crates in all; {counts}"
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        sys.exit(1)
    print(done)


if __name__ == "__main__":
    main()
