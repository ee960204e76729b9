"""What is deployed, in words that a person has reviewed, against what the files would deploy.

infra/checks/golden/deployment.md tells all of template.yaml as SAM expands it, the stacks nested in it, samconfig.toml and
the stack policy: routes, functions with their variables, roles, queues, tables, alarms. Whoever changes the deployment
writes it anew and reviews its difference with the change: what is not meant to be in it is a mistake that no linter knows.

    deployment.py            compare
    deployment.py --write    write deployment.md, and mutants.md, which tells what the comparison would overlook

`mutants.py` shows that it overlooks nothing that matters. Runs in the environment of requirements-sam.txt.
"""

import argparse
import difflib
import json
import re
import sys
import tomllib
from pathlib import Path

from describe import words_of
from template import expand, parse_yaml

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "infra/checks/golden"
AGAIN = "target/venv-sam/bin/python infra/checks/deployment.py --write"
HEAD = f"""# What is deployed

Made by `{AGAIN}`; `.ci/run` compares it with the files. Review its difference with
every change of the deployment.

`{{X}}` is X's address, name or value, `{{X.Arn}}` an attribute of it, `(C ? a : b)` is a where the condition C holds, else b.
"""
FILES = ("template.yaml", "infra/*.yaml", "infra/stack-policy.json", "samconfig.toml")


def parse(name, text):
    """A file as it is deployed."""
    if name == "template.yaml":
        # A version's name ends in a digest of the function, which is told itself.
        return json.loads(re.sub(r"Version[0-9a-f]{10}\b", "Version", json.dumps(expand(parse_yaml(text)))))
    if name.endswith(".yaml"):
        return json.loads(json.dumps(parse_yaml(text)))
    return json.loads(text) if name.endswith(".json") else tomllib.loads(text)


def texts():
    """The text of every file, by name."""
    names = [path.relative_to(ROOT).as_posix() for pattern in FILES for path in sorted(ROOT.glob(pattern))]
    return {name: (ROOT / name).read_text(encoding="utf-8") for name in names}


def scopes():
    """What a token must allow, by (method, path), as the contract says."""
    contract = json.loads((ROOT / "docs/openapi.json").read_text(encoding="utf-8"))
    return {
        (method, path): " or ".join(
            " ".join([scheme, *wanted]) for each in operation.get("security", []) for scheme, wanted in each.items()
        ) or "none"
        for path, methods in contract["paths"].items() for method, operation in methods.items()
    }


def whole(documents, known):
    return "\n".join([HEAD, *(line for name, document in documents.items()
                              for line in words_of(name, document, known))]).rstrip() + "\n"


def compare(path, wanted):
    """Ends the check if the file is not as it would be written now."""
    found = path.read_text(encoding="utf-8") if path.exists() else ""
    if found == wanted:
        return
    name = path.relative_to(ROOT).as_posix()
    sys.stderr.writelines(difflib.unified_diff(found.splitlines(keepends=True), wanted.splitlines(keepends=True),
                                               f"{name}, as it was reviewed", f"{name}, as the files say now"))
    sys.exit(f"{name} is not what the files say. Where the change is meant, write it anew and review it: {AGAIN}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--write", action="store_true")
    options = arguments.parse_args()
    documents = {name: parse(name, text) for name, text in texts().items()}
    text = whole(documents, scopes())
    if options.write:
        (GOLDEN / "deployment.md").write_text(text, encoding="utf-8")
        import mutants  # it needs what is written here

        mutants.write()
        return
    compare(GOLDEN / "deployment.md", text)
    print(f"{len(documents)} files deploy what golden/deployment.md says, in {len(text.splitlines())} lines")


if __name__ == "__main__":
    main()
