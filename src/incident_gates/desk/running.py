"""Runs a command as the shell would, lets its output through, and remembers the end of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import IO, TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

KEPT_BYTES = 64 * 1024
# What a terminated command may take to end before we record without it.
GRACE_SECONDS = 5.0
# A child left in the background may hold the output open for ever.
DRAIN_SECONDS = 2.0
NOT_STARTED = 126
STOPPING = ("SIGINT", "SIGTERM", "SIGHUP")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Ended(NamedTuple):
    """How a command ended; ``exit_code`` is None where it is not known."""

    completed: datetime
    exit_code: int | None
    output: str
    interrupted: str
    problem: str = ""

    @property
    def status(self) -> int:
        """What we end with: the command's own code, or a shell's for one that did not start."""
        return NOT_STARTED if self.exit_code is None else self.exit_code


class Signals:
    """The signals that asked us to stop, in the order in which they came."""

    def __init__(self) -> None:
        self.first = ""
        self._waiting: list[signal.Signals] = []

    def take(self) -> list[signal.Signals]:
        """Those that were not dealt with yet."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def receive(self, number: int, _: FrameType | None) -> None:
        """Remembers a signal; nothing else is safe inside a handler."""
        caught = signal.Signals(number)
        self.first = self.first or caught.name
        self._waiting.append(caught)


@contextmanager
def signals_kept() -> Iterator[Signals]:
    """Lets no signal end us before the record is written."""
    kept = Signals()
    numbers = [getattr(signal, name) for name in STOPPING if hasattr(signal, name)]
    # Somebody who started us with nohup wants SIGHUP ignored.
    numbers = [n for n in numbers if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, kept.receive) for number in numbers}
    try:
        yield kept
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Tail:
    """The last bytes of two streams in the order in which they came."""

    def __init__(self) -> None:
        self.total = 0
        self._data = bytearray()
        self._lock = threading.Lock()

    def add(self, chunk: bytes) -> None:
        with self._lock:
            self.total += len(chunk)
            self._data += chunk
            if len(self._data) > 2 * KEPT_BYTES:
                del self._data[:-KEPT_BYTES]

    def text(self) -> str:
        with self._lock:
            kept = bytes(self._data[-KEPT_BYTES:])
        lost = self.total - len(kept)
        if lost:
            # A line cut in half could be read as something else.
            kept = kept.partition(b"\n")[2] or kept
            lost = self.total - len(kept)
        said = visible(kept.decode("utf-8", "replace"))
        return f"[cut: the first {lost} bytes are not kept]\n{said}" if lost else said


def visible(text: str) -> str:
    """Text whose control characters can be seen and do nothing; its lines stay lines."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub(lambda m: f"\\u{ord(m.group()):04x}", lines)


def run(command: Sequence[str], signals: Signals) -> Ended:
    """Runs a command without a shell and waits for its end, or for ours."""
    tail = _Tail()
    if signals.first:
        return _ended(None, tail, signals, "it was interrupted before it started")
    try:
        process = subprocess.Popen(  # noqa: S603 - what to run is what the operator typed
            list(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as error:
        return _ended(None, tail, signals, f"it could not be started: {error.strerror}")
    readers = _readers(process, tail)
    code = _wait(process, signals)
    deadline = time.monotonic() + DRAIN_SECONDS
    for reader in readers:
        reader.join(max(0.0, deadline - time.monotonic()))
    problem = "" if code is not None else "it was still running when the recording was stopped"
    return _ended(code, tail, signals, problem)


def _ended(code: int | None, tail: _Tail, signals: Signals, problem: str) -> Ended:
    # As a shell says it: ended by signal 15 is 143.
    shown = 128 - code if code is not None and code < 0 else code
    return Ended(datetime.now(timezone.utc), shown, tail.text(), signals.first, problem)


def _readers(process: subprocess.Popen[bytes], tail: _Tail) -> list[threading.Thread]:
    pairs = [
        (process.stdout, sys.stdout.buffer),
        (process.stderr, sys.stderr.buffer),
    ]
    readers = [
        threading.Thread(target=_pass_on, args=(source, target, tail), daemon=True)
        for source, target in pairs
        if source
    ]
    for reader in readers:
        reader.start()
    return readers


def _pass_on(source: IO[bytes], target: BinaryIO, tail: _Tail) -> None:
    heard = True
    with source:
        while chunk := os.read(source.fileno(), KEPT_BYTES):
            tail.add(chunk)
            try:
                if heard:
                    target.write(chunk)
                    target.flush()
            except (OSError, ValueError):
                # Nobody listens any more; the command must not notice.
                heard = False


def _wait(process: subprocess.Popen[bytes], signals: Signals) -> int | None:
    """The exit code; None where the command outlives our own end."""
    deadline: float | None = None
    while True:
        try:
            return process.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            pass
        for caught in signals.take():
            _pass_signal(process, caught)
            if caught is not signal.SIGINT:
                deadline = deadline or time.monotonic() + GRACE_SECONDS
        # It is not killed: an action cut in half is worse than one that goes on unseen.
        if deadline and time.monotonic() > deadline:
            return None


def _pass_signal(process: subprocess.Popen[bytes], caught: signal.Signals) -> None:
    # Ctrl-C reaches the command from the terminal itself; twice would mean "at once" to many tools.
    from_terminal = caught is signal.SIGINT and os.isatty(0)
    if os.name == "posix" and not from_terminal:
        process.send_signal(caught)
