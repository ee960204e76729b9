"""Compiles the functions as they are deployed: all of an architecture by one call of cargo, for `sam build` and for a release.

    functions.py --architecture arm64                                 compile, and say where they are
    functions.py --architecture arm64 --function Auth --to DIRECTORY  the same, and put this one there: `sam build`
    functions.py --architecture arm64 --command                       the command `tenday` in their place, for a release
    functions.py --packages                                           what cargo is asked for, for .ci/run

`sam build` calls a Makefile beside this file for each function, one after the other or at once. The first compiles them all;
for the others cargo finds nothing to do. Of the functions alone: with the whole workspace, each would have what only the tools
need, because the features of one call are one.

cargo-lambda compiles for the other architecture, and for the C library of Lambda, by the Zig that it brings. Where it is
missing, cargo does on a machine of the same architecture, if what comes out runs on that C library.

Needs nothing but Python 3.9 and fcntl, which every Unix has.
"""

import argparse
import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What cargo-lambda calls an architecture, and what Rust does.
OPTIONS = {"arm64": "--arm64", "x86_64": "--x86-64"}
TARGETS = {"arm64": "aarch64-unknown-linux-gnu", "x86_64": "x86_64-unknown-linux-gnu"}
# Of the runtime provided.al2023.
GLIBC = (2, 34)
HELP = "docs/deploy.md says what a build needs"


class Wrong(Exception):
    """What is told to whoever builds."""


def functions():
    """The package of each function, by its logical id."""
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")
    found = re.findall(r"^  (\w+):\n    Type: AWS::Serverless::Function\n.*?^      CodeUri: functions/([\w-]+)$", template,
                       re.MULTILINE | re.DOTALL)
    return dict(found)


def packages():
    return [f"--package={package}" for package in sorted(functions().values())]


def here():
    """The architecture of this machine, as the template calls it."""
    machine = platform.machine().lower()
    return {"aarch64": "arm64", "amd64": "x86_64"}.get(machine, machine) if sys.platform == "linux" else None


def succeeds(*command):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def environment():
    """What cargo runs with. Where something was compiled is no part of it, so that two machines make the same."""
    cargo = os.environ.get("CARGO_HOME") or str(Path.home() / ".cargo")
    # Flags are separated by spaces: a path with one stays as it is.
    maps = [f"--remap-path-prefix={path}={name}" for path, name in ((ROOT, "/tenday"), (cargo, "/cargo")) if " " not in str(path)]
    # Of what is C, aws-lc above all, too. No panic passes through it, so nothing reads how it would be unwound: a twentieth of a
    # megabyte of each function.
    flags = ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables"]
    flags += [f"-ffile-prefix-map={cargo}=/cargo"] if " " not in cargo else []
    return {**os.environ, **with_flags("RUSTFLAGS", maps), **with_flags("CFLAGS", flags)}


def with_flags(name, flags):
    return {name: " ".join([os.environ.get(name, ""), *flags]).strip()}


def with_zig(variables, cargo_lambda):
    """The same, and where cargo-lambda finds Zig: installed by pip or pipx, it brought it into an environment of its own."""
    if shutil.which("zig") or any(name in variables for name in ("CARGO_ZIGBUILD_ZIG_PATH", "CARGO_ZIGBUILD_PYTHON_PATH")):
        return variables
    for python in (Path(cargo_lambda).resolve().parent / "python3", shutil.which("python3")):
        if python and succeeds(str(python), "-m", "ziglang", "version"):
            return {**variables, "CARGO_ZIGBUILD_PYTHON_PATH": str(python)}
    raise Wrong(f"Zig is missing, with which cargo-lambda links: `pipx install cargo-lambda` brings it; {HELP}")


def run(command, variables):
    # One stream: SAM keeps the other to itself until the end, and this takes minutes.
    sys.stdout.flush()
    if subprocess.run(command, cwd=ROOT, env=variables, stderr=subprocess.STDOUT).returncode:
        raise Wrong(f"`{' '.join(command[:3])}` failed; what it said is above")


def target_directory(variables):
    return ROOT / variables.get("CARGO_TARGET_DIR", "target")


def compile_by_cargo_lambda(architecture, place, cargo_lambda, selection):
    target = TARGETS[architecture]
    # Without rustup, somebody installed Rust by other means, and its targets too.
    if shutil.which("rustup"):
        installed = subprocess.run(["rustup", "target", "list", "--installed"], cwd=ROOT, capture_output=True, text=True)
        if target not in installed.stdout.split():
            raise Wrong(f"Rust does not compile for {architecture} here: `rustup target add {target}`")
    variables = with_zig(environment(), cargo_lambda)
    run(["cargo", "lambda", "build", "--release", "--locked", OPTIONS[architecture], "--lambda-dir", str(place),
         *selection], variables)


def compile_by_cargo(place, names, selection):
    variables = environment()
    run(["cargo", "build", "--release", "--locked", *selection], variables)
    for package in names:
        binary = (target_directory(variables) / "release" / package).read_bytes()
        versions = re.findall(rb"\0GLIBC_(\d+)\.(\d+)", binary)
        asked = max(((int(major), int(minor)) for major, minor in versions), default=(0, 0))
        if asked > GLIBC:
            raise Wrong(f"compiled on this machine, {package} needs glibc {asked[0]}.{asked[1]}, and Lambda has "
                        f"{GLIBC[0]}.{GLIBC[1]}: install cargo-lambda, which compiles for an older one; {HELP}")
        (place / package).mkdir(parents=True, exist_ok=True)
        (place / package / "bootstrap").write_bytes(binary)
        (place / package / "bootstrap").chmod(0o755)


def compile_all(architecture, place, command):
    names = ["tenday"] if command else sorted(functions().values())
    selection = ["--package=tenday", "--bin=tenday"] if command else ["--bins", *packages()]
    if not shutil.which("cargo"):
        raise Wrong(f"Rust is missing; {HELP}")
    if cargo_lambda := shutil.which("cargo-lambda"):
        compile_by_cargo_lambda(architecture, place, cargo_lambda, selection)
    elif architecture == here():
        compile_by_cargo(place, names, selection)
    else:
        raise Wrong(f"cargo-lambda is missing, which compiles for {architecture} on this machine; {HELP}")


@contextmanager
def alone(place):
    """SAM may ask for several functions at once: one compiles, and nothing is copied while it is written."""
    place.mkdir(parents=True, exist_ok=True)
    with open(place / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(options):
    package = None
    if options.function:
        package = functions().get(options.function)
        if package is None:
            raise Wrong(f"template.yaml has no function {options.function} with code under functions/")
    place = target_directory(os.environ) / f"lambda-{options.architecture}"
    with alone(place):
        compile_all(options.architecture, place, options.command)
        if package:
            to = Path(options.to)
            to.mkdir(parents=True, exist_ok=True)
            shutil.copy(place / package / "bootstrap", to / "bootstrap")
    if not package:
        print(f"compiled into {place}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--architecture", choices=sorted(OPTIONS))
    arguments.add_argument("--function", metavar="LOGICAL-ID")
    arguments.add_argument("--to", metavar="DIRECTORY")
    arguments.add_argument("--command", action="store_true")
    arguments.add_argument("--packages", action="store_true")
    options = arguments.parse_args()
    if options.packages:
        print("\n".join(packages()))
        return 0
    if not options.architecture or bool(options.function) != bool(options.to):
        arguments.error("give --architecture, and --function with --to or neither")
    try:
        build(options)
    except Wrong as wrong:
        print(f"error: {wrong}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
