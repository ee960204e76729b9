"""The contract, tried by schemathesis: what docs/openapi.json allows is sent, and what it does not allow, and every
answer must be one that it documents, and none a fault of ours.

    check.py [arguments of `schemathesis run`]

It starts the local run in memory, and a receiver. Which ids exist is up to hooks.py, what is checked to
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
LIMIT_SECONDS = 900


class Receiver(http.server.BaseHTTPRequestHandler):
    """Fails every other time, so that reattempts end both ways."""

    protocol_version = "HTTP/1.1"
    count = 0

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        Receiver.count += 1
        self.send_response(500 if Receiver.count % 2 else 204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def run(system, receiver, arguments):
    command = [Path(sys.executable).with_name("schemathesis"), "--config-file", HERE / "schemathesis.toml", "run",
               ROOT / "docs/openapi.json", "--url", system.url, *arguments]
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py"),
        "TENDAY_URL": system.url,
        "TENDAY_RECEIVER": f"http://127.0.0.1:{receiver.server_address[1]}/hook",
    }
    # Where it leaves its findings.
    place = ROOT / "target/checks/contract"
    place.mkdir(parents=True, exist_ok=True)
    tried = subprocess.Popen(command, cwd=place, env=environment)
    try:
        return tried.wait(timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        raise Failed(f"it takes longer than {LIMIT_SECONDS} s") from None
    finally:
        tried.kill()


def main():
    # What a CI machine sends when it gives up: let the processes below go too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began, system = time.monotonic(), None
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    receiver.daemon_threads = True
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    try:
        if not LOCAL.exists():
            raise Failed(f"{LOCAL} does not exist: build first, as .ci/run does")
        # A limit on requests would be most of what is answered.
        system = System("--parameter", "RequestsPerSecond=1000")
        system.wait()
        status = run(system, receiver, sys.argv[1:])
        if status:
            raise Failed("schemathesis found what is above")
    except Failed as failed:
        print(f"contract: {failed}", file=sys.stderr)
        if system and system.process.poll() is not None:
            print(f"the local run has ended; its last lines:\n{system.tail()}", file=sys.stderr)
        return 1
    finally:
        if system:
            system.close()
        receiver.shutdown()
    print(f"the contract holds, in {time.monotonic() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
