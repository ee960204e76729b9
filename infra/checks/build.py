"""What `sam build` does with the functions, tried with a cargo that compiles nothing and writes down what it is asked for.

    build.py     all of it, in seconds

One call compiles all functions for the right processor, each function is given its own binary, two calls never run at once,
and what is missing is told in words. Runs in the environment of requirements-sam.txt, which has the SAM CLI, and needs make.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "infra/build/functions.py"
sys.path.insert(0, str(SCRIPT.parent))
from functions import functions, here  # noqa: E402

# In the place of cargo: notes its arguments, refuses to run twice at once, and leaves a binary for each package that names it.
CARGO = """#!{python}
import os, pathlib, sys, time
notes = pathlib.Path(os.environ["NOTES"])
with open(notes / "calls", "a") as calls:
    print(*sys.argv[1:], file=calls)
if os.environ.get("BREAKS"):
    sys.exit("error: could not compile `auth`")
(notes / "running").mkdir()
time.sleep(0.05)
lambda_dir = dict(zip(sys.argv, sys.argv[1:])).get("--lambda-dir")
for package in (word[10:] for word in sys.argv if word.startswith("--package=")):
    place = pathlib.Path(lambda_dir or os.environ["CARGO_TARGET_DIR"])
    binary = place / package / "bootstrap" if lambda_dir else place / "release" / package
    binary.parent.mkdir(parents=True, exist_ok=True)
    binary.write_bytes(package.encode() + os.environ.get("ASKS", "").encode().join([b"\\0", b"\\0"]))
(notes / "running").rmdir()
"""
OTHER = {"arm64": "x86_64", "x86_64": "arm64"}


class Machine:
    """A machine with these tools and no others of a build."""

    def __init__(self, place, *tools, targets=("aarch64-unknown-linux-gnu", "x86_64-unknown-linux-gnu")):
        self.place = Path(tempfile.mkdtemp(dir=place))
        self.bin = self.place / "bin"
        self.bin.mkdir()
        for name in ("make", "sh"):
            (self.bin / name).symlink_to(shutil.which(name))
        has_zig = "zig" in tools
        # Without the modules of the environment that this runs in: it may have Zig.
        self.script("python3", f'#!/bin/sh\ncase "$*" in *ziglang*) exit {0 if has_zig else 1};; esac\n'
                               f'exec {sys.executable} "$@"\n')
        if "cargo" in tools:
            self.script("cargo", CARGO.format(python=sys.executable))
            self.script("rustup", "#!/bin/sh\necho '" + "\n".join(targets) + "'\n")
        if "cargo-lambda" in tools:
            self.script("cargo-lambda", "#!/bin/sh\nexit 1\n")

    def script(self, name, text):
        (self.bin / name).write_text(text, encoding="utf-8")
        (self.bin / name).chmod(0o755)

    def environment(self, **variables):
        return {"PATH": str(self.bin), "HOME": str(self.place), "NOTES": str(self.place), "SAM_CLI_TELEMETRY": "0",
                "CARGO_TARGET_DIR": str(self.place / "target"), "AWS_DEFAULT_REGION": "us-east-1", **variables}

    def build(self, *arguments, **variables):
        """(whether it succeeded, what it said)"""
        done = subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], env=self.environment(**variables),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode == 0, done.stdout

    def calls(self):
        notes = self.place / "calls"
        return notes.read_text(encoding="utf-8").splitlines() if notes.exists() else []


def must(holds, what, said=""):
    if not holds:
        sys.exit(f"build: it does not hold that {what}\n{said}")
    print(f"holds: {what}")


def packages_of(call):
    return [word.removeprefix("--package=") for word in call.split() if word.startswith("--package=")]


def whole(place):
    machine = Machine(place, "cargo", "cargo-lambda", "zig")
    succeeds, said = machine.build("--architecture", "arm64", "--function", "DeadLetters", "--to", machine.place / "to")
    must(succeeds and (machine.place / "to/bootstrap").read_bytes().startswith(b"dead-letters\0"),
         "a function is given its own binary", said)
    must(len(machine.calls()) == 1 and packages_of(machine.calls()[0]) == sorted(functions().values()),
         "one call of cargo compiles all functions, and nothing else", said)
    must("--release --locked --arm64" in machine.calls()[0], "it is the release profile, the locked versions and the right processor")
    succeeds, said = machine.build("--architecture", "x86_64", "--command")
    must(succeeds and packages_of(machine.calls()[1]) == ["tenday"] and "--x86-64" in machine.calls()[1],
         "a release's command is a call of its own", said)
    succeeds, said = machine.build("--architecture", "arm64", "--function", "Nobody", "--to", machine.place / "nobody")
    must(not succeeds and "no function Nobody" in said and len(machine.calls()) == 2,
         "a function that there is not is told before anything is compiled", said)
    succeeds, said = machine.build("--architecture", "arm64", "--function", "Auth", "--to", machine.place / "broken",
                                   BREAKS="1")
    must(not succeeds and "could not compile" in said and not (machine.place / "broken").exists(),
         "what does not compile leaves nothing to deploy", said)


def together(place):
    machine = Machine(place, "cargo", "cargo-lambda", "zig")
    running = [
        subprocess.Popen([sys.executable, SCRIPT, "--architecture", "arm64", "--function", name, "--to", machine.place / name],
                         env=machine.environment(), stdout=subprocess.DEVNULL)
        for name in functions()
    ]
    must(not any([each.wait() for each in running]), "functions that are asked for at once wait for each other")


def missing(place):
    mine, other = here() or "x86_64", OTHER[here() or "x86_64"]
    for says, machine, architecture, wanted in (
        ("Rust", Machine(place), mine, "Rust is missing"),
        ("cargo-lambda", Machine(place, "cargo"), other, "cargo-lambda is missing"),
        ("Zig", Machine(place, "cargo", "cargo-lambda"), other, "Zig is missing"),
        ("the target", Machine(place, "cargo", "cargo-lambda", "zig", targets=[]), other, "rustup target add"),
    ):
        succeeds, said = machine.build("--architecture", architecture)
        must(not succeeds and wanted in said and not machine.calls(), f"where {says} is missing, it is told before anything is compiled", said)


def by_cargo_alone(place):
    if not here():
        return
    for version, runs in (("2.34", True), ("2.35", False)):
        machine = Machine(place, "cargo")
        succeeds, said = machine.build("--architecture", here(), "--function", "Auth", "--to", machine.place / "to",
                                       ASKS=f"GLIBC_{version}")
        must(succeeds is runs and (runs or f"needs glibc {version}" in said) and (machine.place / "to/bootstrap").exists() is runs,
             f"cargo alone compiles what asks for glibc {version}: {'taken' if runs else 'refused'}", said)


def by_sam(place):
    for architecture, options in (("arm64", []), ("x86_64", ["--parallel"])):
        machine = Machine(place, "cargo", "cargo-lambda", "zig")
        to = machine.place / "built"
        command = [Path(sys.executable).parent / "sam", "build", *options, "--build-dir", to, "--template", ROOT / "template.yaml",
                   "--parameter-overrides", f"Architecture={architecture}"]
        done = subprocess.run(command, cwd=ROOT, env=machine.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)
        must(done.returncode == 0, f"`{' '.join(['sam build', *options])}` succeeds", done.stdout)
        must(all((to / name / "bootstrap").read_bytes().startswith(package.encode() + b"\0") for name, package in functions().items()),
             "each function's package is its own binary", done.stdout)
        word = {"arm64": " --arm64 ", "x86_64": " --x86-64 "}[architecture]
        must(all(word in call for call in machine.calls()), f"all is compiled for {architecture}, as the parameter says")


def main():
    # What SAM writes beside a build directory of one's own stays here too.
    with tempfile.TemporaryDirectory() as place:
        for part in (whole, together, missing, by_cargo_alone, by_sam):
            part(place)


if __name__ == "__main__":
    main()
