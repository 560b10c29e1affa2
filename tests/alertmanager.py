"""A real Alertmanager, started for a test, and somebody who takes what its webhook sends."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ("prometheus-alertmanager", "alertmanager")
CONFIG = """
route:
  receiver: incidents
  group_wait: 0s
  group_interval: 1s
receivers:
  - name: incidents
    webhook_configs:
      - url: http://127.0.0.1:{port}/
        send_resolved: true
"""


def binary() -> str:
    """Where it is; skips where it is not installed, and fails where CI promised it."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        if os.environ.get("CI") and os.environ.get("INCIDENT_GATES_REQUIRE_ALERTMANAGER") == "1":
            pytest.fail("CI promised prometheus-alertmanager, and it is not installed")
        pytest.skip("prometheus-alertmanager is not installed")
    return found


class Receiver(HTTPServer):
    """Keeps the body of each request, byte for byte."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: Queue[bytes] = Queue()

    def next(self, status: str, seconds: float = 30) -> bytes:
        """The next notification of a status."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                body = self.bodies.get(timeout=left)
            except Empty:
                break
            if json.loads(body)["status"] == status:
                return body
        raise AssertionError(f"Alertmanager sent no {status} notification")


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        self.server.bodies.put(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


class Alertmanager:
    """One that runs: alerts go in, notifications come out."""

    def __init__(self, port: int, receiver: Receiver) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self.receiver = receiver

    def send(self, *alerts: dict[str, Any]) -> None:
        request = urllib.request.Request(  # noqa: S310 - our own address
            f"{self._url}/api/v2/alerts",
            data=json.dumps(alerts).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            assert answer.status == 200

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=2):  # noqa: S310
                return True
        except OSError:
            return False


@contextmanager
def running(folder: Path) -> Iterator[Alertmanager]:
    """An Alertmanager of its own in a folder, gone when the block ends."""
    program = binary()
    receiver = Receiver()
    Thread(target=receiver.serve_forever, daemon=True).start()
    config = folder / "alertmanager.yml"
    config.write_text(CONFIG.format(port=receiver.server_port), "utf-8")
    port = _free_port()
    command = [program, f"--config.file={config}", f"--storage.path={folder / 'data'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    with (folder / "log").open("wb") as said:
        process = subprocess.Popen(command, cwd=folder, stdout=said, stderr=said)
    try:
        manager = Alertmanager(port, receiver)
        deadline = time.monotonic() + 30
        while not manager.ready():
            assert process.poll() is None, (folder / "log").read_text("utf-8")
            assert time.monotonic() < deadline, "Alertmanager did not become ready"
            time.sleep(0.1)
        yield manager
    finally:
        process.terminate()
        process.wait(10)
        receiver.shutdown()
        receiver.server_close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
