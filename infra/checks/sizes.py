"""How large each function's deployment package is, against the 3 MB that it should not exceed; the dashboard's, which calls
nobody, 1.2 MB. It reports, and fails of nothing but a package that is not there.

    sizes.py                             of `cargo build --release`
    sizes.py --profile smoke             of another profile
    sizes.py --built .aws-sam/build      of `sam build`; target/lambda of `cargo lambda build`

Needs nothing but Python 3.11.
"""

import argparse
import io
import re
import sys
import zipfile

from local_run import ROOT, Failed
from smoke import binary

BUDGET = 3_000_000
BUDGETS = {"dashboard": 1_200_000}


def binaries(options):
    """(name, file) of each function."""
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")
    # The logical id, which is SAM's directory, and the package, which is cargo's.
    found = re.findall(r"^  (\w+):\n    Type: AWS::Serverless::Function\n.*?CodeUri: functions/(\S+)", template,
                       re.MULTILINE | re.DOTALL)
    for function, package in sorted(found, key=lambda names: names[1]):
        if options.built is None:
            yield package, binary(package, options.profile)
            continue
        places = [ROOT / options.built / name / "bootstrap" for name in (function, package)]
        file = next((place for place in places if place.is_file()), None)
        if file is None:
            raise Failed(f"{places[0]} does not exist: build it first")
        yield package, file


def zipped(file):
    """As SAM and cargo-lambda do it, at the highest compression."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.write(file, "bootstrap")
    return buffer.tell()


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--profile", default="release", help="cargo's [release]")
    arguments.add_argument("--built", metavar="DIRECTORY")
    options = arguments.parse_args()
    try:
        print("| function | binary, MB | zip, MB | of its budget |\n|---|---|---|---|")
        over = []
        for name, file in binaries(options):
            size, budget = zipped(file), BUDGETS.get(name, BUDGET)
            print(f"| {name} | {file.stat().st_size / 1e6:.2f} | {size / 1e6:.2f} | {size / budget:.0%} |", flush=True)
            if size > budget:
                over.append(name)
    except Failed as failed:
        print(f"sizes: {failed}", file=sys.stderr)
        return 1
    print(f"\nover their budget: {', '.join(over) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
