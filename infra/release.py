"""A release, made of built functions: what `infra/stack.sh install` and infra/terraform deploy as it is.

    release.py --version V --out DIRECTORY --built ARCHITECTURE=DIRECTORY ...

`--built` names where the functions of one architecture are, as DIRECTORY/FUNCTION/bootstrap (cargo-lambda's) or
DIRECTORY/FUNCTION (cargo's). Into DIRECTORY go:

    FUNCTION-ARCHITECTURE-HASH.zip    a function's package
    NAME-HASH.yaml                    a nested template
    template-V-HASH.yaml              template.yaml, which names the packages and nested templates by these names
    checks.txt                        its parameters and rules, in lines that stack.sh reads without a parser
    stack.sh, stack-policy.json       the installer, which knows where it was released
    tenday.spdx.json                  what the functions and the command are made of
    SHA256SUMS                        of all of these

A name holds the hash of what is in the file, so that an upload never changes what a running stack uses, and whoever has
one version's files has that version. Zips hold one entry with a fixed time: the same binaries give the same bytes.

Runs in the environment of requirements-sam.txt; infra/release.sh builds and calls it.
"""

import argparse
import hashlib
import io
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[1]
ARCHITECTURES = ("arm64", "x86_64")
# Under this, in the bucket of whoever installs.
PREFIX = "tenday/"
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,40}")
CODE = re.compile(r"^      CodeUri: functions/([\w-]+)$", re.MULTILINE)
NESTED = re.compile(r"^      TemplateURL: infra/([\w-]+)\.yaml$", re.MULTILINE)
KINDS_IN_TEMPLATE = """    Default: arm64
    AllowedValues: [arm64, x86_64]
"""


class Wrong(Exception):
    """What is told to whoever makes the release."""


def digest(data):
    return hashlib.sha256(data).hexdigest()


def named(stem, ending, data):
    """A file's name, by what is in it."""
    return f"{stem}-{digest(data)[:16]}.{ending}"


def zipped(binary):
    """A package. No time, no owner and no order of the file system's is in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        entry = zipfile.ZipInfo("bootstrap", (1980, 1, 1, 0, 0, 0))
        entry.create_system, entry.external_attr, entry.compress_type = 3, 0o100755 << 16, zipfile.ZIP_DEFLATED
        archive.writestr(entry, binary)
    return buffer.getvalue()


def binary(place, function):
    for file in (place / function / "bootstrap", place / function):
        if file.is_file():
            return file.read_bytes()
    raise Wrong(f"{place} has no {function}: build it first")


def once(text, old, new):
    if text.count(old) != 1:
        raise Wrong(f"template.yaml has {text.count(old)} times what is there once: {old.strip()}")
    return text.replace(old, new)


def packaged(source, version, packages, nested):
    """template.yaml with what a release adds. Text, so that its comments stay."""
    kinds = [kind for kind in ARCHITECTURES if any(kind in by_kind for by_kind in packages.values())]

    def code(match):
        keys = [PREFIX + packages[match[1]][kind] for kind in kinds]
        key = f"!If [RunsOnArm, {', '.join(keys)}]" if len(keys) == 2 else keys[0]
        return f"      CodeUri: {{ Bucket: !Ref ArtefactsBucket, Key: {key} }}"

    text = CODE.sub(code, source)
    text = NESTED.sub(lambda match: "      TemplateURL: !Sub \"https://s3.${AWS::Region}.${AWS::URLSuffix}/"
                                    f"${{ArtefactsBucket}}/{PREFIX}{nested[match[1]]}\"", text)
    if len(kinds) == 1:
        text = once(text, KINDS_IN_TEMPLATE, f"    Default: {kinds[0]}\n    AllowedValues: [{kinds[0]}]\n")
    else:
        text = once(text, "\nConditions:\n", "\nConditions:\n  RunsOnArm: !Equals [!Ref Architecture, arm64]\n")
    text = once(text, "\nParameters:\n", """
Parameters:
  ArtefactsBucket:
    Type: String
    Description: The bucket that this release was copied to.
  ReleaseBefore:
    Type: String
    Default: ""
    Description: The template that ran before this one, in that bucket. stack.sh writes it at an upgrade, and rollback reads it.
""")
    return once(text, "\nOutputs:\n", f"""
Outputs:
  Release:
    Description: The version that runs
    Value: "{version}"
""")


# ------------------------------------------------------------------------------------------------------------ checks


def alternatives(node, holds=True):
    """When a rule's condition is so: a list of ways, each a set of (parameter, whether it equals, value)."""
    (function, argument), = node.items()
    match function:
        case "Fn::Not":
            return alternatives(argument[0], not holds)
        case "Fn::And" | "Fn::Or":
            each = [alternatives(one, holds) for one in argument]
            if (function == "Fn::And") == holds:
                return [frozenset().union(*ways) for ways in product(*each)]
            return [way for ways in each for way in ways]
        case "Fn::Equals":
            reference, value = argument
            return [frozenset({(reference["Ref"], holds, str(value))})]
        case "Fn::Contains":
            values, reference = argument
            atoms = [(reference["Ref"], holds, str(value)) for value in values]
            return [frozenset({atom}) for atom in atoms] if holds else [frozenset(atoms)]
    raise Wrong(f"a rule with {function}, which stack.sh could not look at")


def refused(rules):
    """(what is wrong, the values with which it is) of each way in which parameters may not be given together."""
    for rule in rules.values():
        conditions = alternatives(rule["RuleCondition"]) if "RuleCondition" in rule else [frozenset()]
        for assertion in rule["Assertions"]:
            for one, other in product(conditions, alternatives(assertion["Assert"], holds=False)):
                atoms = one | other
                # Both equal and not, or equal to two things: never.
                given = {name: value for name, equal, value in atoms if equal}
                if any(equal and given[name] != value or not equal and given.get(name) == value
                       for name, equal, value in atoms):
                    continue
                yield assertion["AssertDescription"], sorted(atoms)


def checks(template):
    """The lines of checks.txt: `KIND NAME REST`, and `never WHEN... : WHY`."""
    for name, parameter in template["Parameters"].items():
        yield f"parameter {name} {parameter['Type']}"
        if "Default" in parameter:
            yield f"default {name} {parameter['Default']}"
        for value in parameter.get("AllowedValues", []):
            yield f"allowed {name} {value}"
        for kind, key in (("least", "MinValue"), ("most", "MaxValue"), ("pattern", "AllowedPattern")):
            if key in parameter:
                yield f"{kind} {name} {parameter[key]}"
    for why, atoms in refused(template.get("Rules", {})):
        if any(" " in value for _, _, value in atoms):
            raise Wrong(f"a rule about a value with a space, which checks.txt could not hold: {why}")
        when = " ".join(name + ("=" if equal else "!=") + value for name, equal, value in atoms)
        yield f"never {when} : {why}"


# -------------------------------------------------------------------------------------------------- what it is made of


def bill(version, made):
    """An SPDX 2.3 document of the crates that Cargo.lock pins, for whoever asks what is inside."""
    done = subprocess.run(["cargo", "metadata", "--locked", "--format-version", "1"], cwd=ROOT, check=True,
                          stdout=subprocess.PIPE, text=True)
    metadata = json.loads(done.stdout)
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text(encoding="utf-8"))["package"]
    sums = {(each["name"], each["version"]): each.get("checksum") for each in locked}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    crates = {each["id"]: each for each in metadata["packages"]}
    binaries = [each["id"] for each in crates.values() if each["id"] in metadata["workspace_members"]
                and ("/functions/" in each["manifest_path"] or each["manifest_path"].endswith("/infra/cli/Cargo.toml"))]
    # What a binary is linked from: neither what tests need nor what builds it.
    inside, waiting = set(), list(binaries)
    while waiting:
        if (each := waiting.pop()) in inside:
            continue
        inside.add(each)
        waiting += [dependency["pkg"] for dependency in nodes[each]["deps"]
                    if any(kind["kind"] is None for kind in dependency["dep_kinds"])]

    def reference(identity):
        crate = crates[identity]
        return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", f"{crate['name']}-{crate['version']}")

    packages, relations = [], []
    for identity in sorted(inside, key=reference):
        crate = crates[identity]
        package = {
            "SPDXID": reference(identity), "name": crate["name"], "versionInfo": crate["version"],
            "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "licenseConcluded": "NOASSERTION",
            "licenseDeclared": (crate["license"] or "NOASSERTION").replace("/", " OR "), "copyrightText": "NOASSERTION",
        }
        if checksum := sums.get((crate["name"], crate["version"])):
            package["checksums"] = [{"algorithm": "SHA256", "checksumValue": checksum}]
            package["downloadLocation"] = f"https://crates.io/api/v1/crates/{crate['name']}/{crate['version']}/download"
            package["externalRefs"] = [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                                        "referenceLocator": f"pkg:cargo/{crate['name']}@{crate['version']}"}]
        packages.append(package)
        for dependency in sorted({each["pkg"] for each in nodes[identity]["deps"]} & inside, key=reference):
            relations.append({"spdxElementId": reference(identity), "relationshipType": "DEPENDS_ON",
                              "relatedSpdxElement": reference(dependency)})
    described = [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": reference(each)}
                 for each in sorted(binaries, key=reference)]
    identity = digest(json.dumps([packages, relations]).encode())
    return {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"tenday-{version}",
        "documentNamespace": f"https://spdx.org/spdxdocs/tenday-{version}-{identity[:32]}",
        "creationInfo": {"created": made.strftime("%Y-%m-%dT%H:%M:%SZ"), "creators": ["Tool: tenday-release.py"]},
        "packages": packages, "relationships": described + relations,
    }


def commit_time():
    """When the sources were committed: a release says nothing of when it was made."""
    seconds = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return datetime.fromtimestamp(int(seconds.stdout), UTC)


# --------------------------------------------------------------------------------------------------------------- run


def make(version, built, repository="", with_bill=True):
    """The files of a release, by name."""
    if not VERSION.fullmatch(version):
        raise Wrong(f"{version} is not a version")
    source = (ROOT / "template.yaml").read_text(encoding="utf-8")
    files, packages, nested = {}, {}, {}
    for function in CODE.findall(source):
        for kind, place in built.items():
            data = zipped(binary(place, function))
            packages.setdefault(function, {})[kind] = name = named(f"{function}-{kind}", "zip", data)
            files[name] = data
    for stem in NESTED.findall(source):
        data = (ROOT / f"infra/{stem}.yaml").read_bytes()
        nested[stem] = name = named(stem, "yaml", data)
        files[name] = data
    text = packaged(source, version, packages, nested)
    left = [line.strip() for line in text.splitlines() if re.search(r"(CodeUri|TemplateURL): (functions|infra)/", line)]
    if left:
        raise Wrong(f"template.yaml names what was not packaged: {left[0]}")
    data = text.encode()
    files[named(f"template-{version}", "yaml", data)] = data
    files["checks.txt"] = "".join(f"{line}\n" for line in checks(yaml_parse(text))).encode()
    installer = (ROOT / "infra/stack.sh").read_text(encoding="utf-8")
    if repository:
        installer = once(installer, "\nrepository=\n", f"\nrepository={repository}\n")
    files["stack.sh"] = installer.encode()
    files["stack-policy.json"] = (ROOT / "infra/stack-policy.json").read_bytes()
    if with_bill:
        files["tenday.spdx.json"] = (json.dumps(bill(version, commit_time()), indent=1) + "\n").encode()
    return files


def write(files, out, others=()):
    """`others` are files that are in the directory already, and are to have their sums too."""
    out.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (out / name).write_bytes(data)
    sums = {name: digest(data) for name, data in files.items()}
    sums |= {name: digest((out / name).read_bytes()) for name in others}
    (out / "SHA256SUMS").write_text("".join(f"{sums[name]}  {name}\n" for name in sorted(sums)), encoding="utf-8")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--version", required=True)
    arguments.add_argument("--out", required=True, type=Path)
    arguments.add_argument("--built", action="append", required=True, metavar="ARCHITECTURE=DIRECTORY")
    arguments.add_argument("--repository", default="", metavar="OWNER/NAME", help="where GitHub has the releases")
    options = arguments.parse_args()
    built = {}
    for each in options.built:
        kind, _, place = each.partition("=")
        if kind not in ARCHITECTURES or not place:
            sys.exit(f"--built {each}: not ARCHITECTURE=DIRECTORY, with {' or '.join(ARCHITECTURES)}")
        built[kind] = Path(place)
    tools = sorted(path.name for path in options.out.glob("tenday-linux-*")) if options.out.is_dir() else []
    strangers = [path.name for path in options.out.glob("*") if path.name not in tools] if options.out.is_dir() else []
    if strangers:
        sys.exit(f"{options.out} is not empty: {', '.join(sorted(strangers)[:3])}")
    try:
        files = make(options.version, built, options.repository)
    except Wrong as wrong:
        sys.exit(f"release: {wrong}")
    write(files, options.out, tools)
    zips = [name for name in files if name.endswith(".zip")]
    print(f"{options.out}: version {options.version}, {len(zips)} packages for {', '.join(built)}, "
          f"{sum(len(data) for data in files.values()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
