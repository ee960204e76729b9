"""What two generators make of docs/openapi.json: a client in Python (openapi-python-client) and types in TypeScript
(openapi-typescript, for openapi-fetch). Both have to be made without a warning, to hold before a strict type checker, and to
go the main path against the local run: token, configuration, webhook, publishing, events, retrieval, reattempt.

    check.py --node-modules DIRECTORY

Then what arrived is compared with the section `webhooks` of the document: its headers, and its payload.

Needs requirements.txt, the packages of package-lock.json in DIRECTORY, node, and a built `target/debug/tenday-local`.
`.ci/run` has all of it.
"""

import argparse
import http.server
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from local_run import LOCAL, LOCAL_CLIENTS, ROOT, Failed, System, check, checks  # noqa: E402

HERE = Path(__file__).resolve().parent
DOCUMENT = ROOT / "docs/openapi.json"
PLACE = ROOT / "target/checks/clients"
LIMIT_SECONDS = 300
DELIVERY_SECONDS = 30

# What both programs publish, as the document's `webhooks` names it.
EVENT = "plaid.TRANSACTIONS.DEFAULT_UPDATE"
# The whole vocabulary by name, and what is passed on as it is.
UPDATES = json.loads(DOCUMENT.read_text(encoding="utf-8"))["components"]["schemas"]["Update"]["oneOf"]


def run(what, *command, place=ROOT, **environment):
    """What a command prints; it has to succeed."""
    done = subprocess.run([str(part) for part in command], cwd=place, env=os.environ | environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT_SECONDS)
    check(done.returncode == 0, f"{what}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Receiver:
    """Takes whatever comes, by the path that it comes to."""

    def __init__(self):
        arrived = self.arrived = {}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                arrived[self.path].put((headers, json.loads(body)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def address(self, name):
        self.arrived[f"/{name}"] = queue.Queue()
        return f"http://127.0.0.1:{self.server.server_address[1]}/{name}"

    def next(self, name):
        try:
            return self.arrived[f"/{name}"].get(timeout=DELIVERY_SECONDS)
        except queue.Empty:
            raise Failed(f"{name}: nothing was delivered within {DELIVERY_SECONDS} s") from None


def python_client():
    """The command that runs the program."""
    tools, package = Path(sys.executable).parent, PLACE / "python/tenday_client"
    shutil.rmtree(package.parent, ignore_errors=True)
    package.parent.mkdir(parents=True)
    run("openapi-python-client", tools / "openapi-python-client", "generate", "--path", DOCUMENT, "--meta", "none",
        "--config", HERE / "generator.yml", "--output-path", package, "--fail-on-warning")
    (package / "py.typed").touch()
    for name in (reference["$ref"].rpartition("/")[2] for reference in UPDATES):
        # As the generator writes a module's name: words with an underscore between them.
        module = package / "models" / f"{name.replace('.', '_').lower().replace('rawupdate', 'raw_update')}.py"
        check(module.exists(), f"openapi-python-client makes nothing of {name}")
    program = shutil.copy(HERE / "main_path.py", package.parent)
    run("mypy", tools / "mypy", "--strict", "--cache-dir", PLACE / "mypy", program, place=package.parent)
    # Each module by itself, too: nothing that the program does without may be broken.
    run("the client in Python", sys.executable, "-c",
        "import importlib, pkgutil, tenday_client\n"
        "for module in pkgutil.walk_packages(tenday_client.__path__, 'tenday_client.'):\n"
        "    importlib.import_module(module.name)", place=package.parent)
    return [sys.executable, program]


def typescript_client(node_modules):
    # Beside the packages that it imports.
    tools, place = node_modules / ".bin", node_modules.parent / "client"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    run("openapi-typescript", tools / "openapi-typescript", DOCUMENT, "--output", place / "openapi.d.ts")
    for name in ("main_path.ts", "tsconfig.json"):
        shutil.copy(HERE / name, place)
    (place / "package.json").write_text('{"type": "module"}\n', encoding="utf-8")
    run("tsc", tools / "tsc", "--project", place)
    return ["node", place / "main_path.js"]


def verify(name, received, event):
    """What arrived is the event, and what the document says of it."""
    headers, payload = received
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))

    def resolve(one):
        kind, component = one["$ref"].split("/")[2:]
        return document["components"][kind][component]

    operation = document["webhooks"][EVENT]["post"]
    check(headers["webhook-id"] == event, f"{name}: {headers['webhook-id']} arrived, not {event}")
    for header in map(resolve, operation["parameters"]):
        there = header["name"] in headers
        check(there or not header["required"], f"{name}: {event} has no {header['name']}")
    schema = resolve(operation["requestBody"]["content"]["application/json"]["schema"])
    known, needed = set(schema["properties"]), set(schema["required"])
    check(needed <= set(payload) <= known, f"{name}: not the payload of {EVENT}: {payload}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--node-modules", type=Path, required=True)
    arguments = parser.parse_args()
    # What a CI machine sends when it gives up: let the processes below go too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began, receiver, system = time.monotonic(), Receiver(), None
    try:
        for needed in (LOCAL, arguments.node_modules):
            check(needed.exists(), f"{needed} does not exist: build and install first, as .ci/run does")
        check(shutil.which("node"), "this machine lacks node")
        programs = {"python": ("developer", python_client()),
                    "typescript": ("other", typescript_client(arguments.node_modules.resolve()))}
        system = System()
        system.wait()
        for name, (who, program) in programs.items():
            plan = {"url": system.url, "callback": receiver.address(name), "developerId": f"DEV-local-{who}",
                    "developer": LOCAL_CLIENTS[who], "platform": LOCAL_CLIENTS["platform"]}
            events = json.loads(run(f"the main path in {name}", *program, json.dumps(plan)))
            for event in events:
                verify(name, receiver.next(name), event)
            system.settle()
            check(receiver.arrived[f"/{name}"].empty(), f"{name}: more was delivered than published")
            print(f"the main path in {name}: {len(events)} events")
    except Failed as failed:
        print(f"clients: {failed}", file=sys.stderr)
        if system:
            system.close()
            print(f"the local run's last lines:\n{system.tail()}", file=sys.stderr)
        return 1
    finally:
        if system:
            system.close()
        receiver.server.shutdown()
    print(f"{checks()} checks hold, in {time.monotonic() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
