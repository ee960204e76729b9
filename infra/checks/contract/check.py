"""The contract, tried by schemathesis: what docs/openapi.json allows is sent, and what it does not allow, and every
answer must be one that it documents, and none a fault of ours.

    check.py                                  all of it, in two parts at once
    check.py ARGUMENTS of `schemathesis run`  one part, with these: --include-operation-id, for instance

Each part has a local run in memory, and a receiver. Which ids exist is up to hooks.py, what is checked to
schemathesis.toml; both say why where they leave something out. `.ci/run` has all that this needs.
"""

import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from local_run import LOCAL, ROOT, Failed, System  # noqa: E402

HERE = Path(__file__).resolve().parent
# It waits for whoever else uses the machine: the tests, in .ci/run.
LIMIT_SECONDS = 1800
# Five of six requests publish: they are a part of their own, beside all others.
PARTS = [["--include-operation-id", "publishUpdates"], ["--exclude-operation-id", "publishUpdates"]]


class Receiver(http.server.BaseHTTPRequestHandler):
    """Fails every other time, so that reattempts end both ways."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.server.count += 1
        self.send_response(500 if self.server.count % 2 else 204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Part:
    """A system, a receiver, and schemathesis between them."""

    def __init__(self, number, arguments):
        # Where it leaves its findings.
        self.place, self.arguments, self.tried = ROOT / f"target/checks/contract/{number}", arguments, None
        self.place.mkdir(parents=True, exist_ok=True)
        self.receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        self.receiver.daemon_threads, self.receiver.count = True, 0
        threading.Thread(target=self.receiver.serve_forever, daemon=True).start()
        # A limit on requests would be most of what is answered.
        self.system = System("--parameter", "RequestsPerSecond=1000")

    def begin(self):
        self.system.wait()
        command = [Path(sys.executable).with_name("schemathesis"), "--config-file", HERE / "schemathesis.toml", "run",
                   ROOT / "docs/openapi.json", "--url", self.system.url, *self.arguments]
        environment = os.environ | {
            "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py"),
            "TENDAY_URL": self.system.url,
            "TENDAY_RECEIVER": f"http://127.0.0.1:{self.receiver.server_address[1]}/hook",
        }
        with open(self.place / "said", "w", encoding="utf-8") as said:
            self.tried = subprocess.Popen(command, cwd=self.place, env=environment, stdout=said, stderr=said)

    def end(self, until):
        """Whether all holds. Tells what schemathesis said, at once, for another part speaks too."""
        try:
            status = self.tried.wait(timeout=max(0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            status = f"it takes longer than {LIMIT_SECONDS} s"
        print((self.place / "said").read_text(encoding="utf-8"), flush=True)
        if status:
            print(f"contract: schemathesis found what is above: {status}", file=sys.stderr)
        if self.system.process.poll() is not None:
            print(f"the local run has ended; its last lines:\n{self.system.tail()}", file=sys.stderr)
        return not status

    def close(self):
        if self.tried:
            self.tried.kill()
        self.system.close()
        self.receiver.shutdown()


def main():
    # What a CI machine sends when it gives up: let the processes below go too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began, parts = time.monotonic(), []
    try:
        if not LOCAL.exists():
            raise Failed(f"{LOCAL} does not exist: build first, as .ci/run does")
        for number, arguments in enumerate([sys.argv[1:]] if sys.argv[1:] else PARTS, 1):
            parts.append(Part(number, arguments))
        for part in parts:
            part.begin()
        until = time.monotonic() + LIMIT_SECONDS
        # Each is told of, also after one that does not hold.
        if not all([part.end(until) for part in parts]):
            return 1
    except Failed as failed:
        print(f"contract: {failed}", file=sys.stderr)
        for part in parts:
            print(f"the local run's last lines:\n{part.system.tail()}", file=sys.stderr)
        return 1
    finally:
        for part in parts:
            part.close()
    print(f"the contract holds, in {time.monotonic() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
