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
from functools import partial
from typing import IO, TYPE_CHECKING, BinaryIO, NamedTuple

from incident_gates.desk import masking

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import FrameType

KEPT_BYTES = 64 * 1024
# What is kept before that, so that a secret is seen whole although its beginning is not kept.
MARGIN_BYTES = 16 * 1024
# What a terminated command may take to end before we record without it.
GRACE_SECONDS = 5.0
# A child left in the background may hold the output open for ever.
DRAIN_SECONDS = 2.0
NOT_STARTED = 126
STOPPING = ("SIGINT", "SIGTERM", "SIGHUP")
# Controls, and what ends a line elsewhere or turns the direction of what is read.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class Ended(NamedTuple):
    """How a command ended; ``exit_code`` is None where it is not known."""

    completed: datetime
    exit_code: int | None
    output: str
    interrupted: str
    problem: str = ""
    masked: int = 0

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
    """The last lines of two streams in the order in which they came."""

    def __init__(self) -> None:
        self.total = 0
        self._data = bytearray()
        # A line begun by one stream must not be cut in two by what the other says.
        self._begun: dict[int, bytearray] = {}
        self._lock = threading.Lock()

    def add(self, stream: int, chunk: bytes) -> None:
        with self._lock:
            self.total += len(chunk)
            begun = self._begun.setdefault(stream, bytearray())
            begun += chunk
            whole = len(begun) if len(begun) > KEPT_BYTES else begun.rfind(b"\n") + 1
            self._data += begun[:whole]
            del begun[:whole]
            if len(self._data) > 2 * KEPT_BYTES + MARGIN_BYTES:
                del self._data[: -KEPT_BYTES - MARGIN_BYTES]

    def text(self, known: Mapping[str, str]) -> masking.Masked:
        """What is kept, as text without its secrets."""
        with self._lock:
            data = b"".join((self._data, *self._begun.values()))[-KEPT_BYTES - MARGIN_BYTES :]
        # One character a byte, so that a secret's place is the same in both.
        found = masking.spans(data.decode("latin-1"), _as_bytes(known))
        start = _start(data, found)
        shown = "".join(_shown(data, [s for s in found if s.start >= start], start))
        lost = self.total - len(data) + start
        cut = f"[cut: the first {lost} bytes are not kept]\n" if lost else ""
        return masking.Masked(cut + shown, sum(s.start >= start for s in found))


def _as_bytes(known: Mapping[str, str]) -> dict[str, str]:
    return {os.fsencode(value).decode("latin-1"): kind for value, kind in known.items()}


def _start(data: bytes, found: Sequence[masking.Span]) -> int:
    """Where what is kept begins: at a line, for a line cut in half could be read otherwise."""
    start = max(0, len(data) - KEPT_BYTES)
    if start and data[start - 1 : start] != b"\n":
        start = data.find(b"\n", start) + 1 or start
    return masking.after(found, start) if start else 0


def _shown(data: bytes, found: Sequence[masking.Span], start: int) -> Iterator[str]:
    for span in found:
        yield visible(data[start : span.start].decode("utf-8", "replace"))
        yield masking.mark(span)
        start = span.end
    yield visible(data[start:].decode("utf-8", "replace"))


def visible(text: str) -> str:
    """Text whose control characters can be seen and do nothing; its lines stay lines."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub(lambda m: f"\\u{ord(m.group()):04x}", lines)


def run(
    command: Sequence[str],
    signals: Signals,
    known: Mapping[str, str] | None = None,
    *,
    aside: bool = False,
) -> Ended:
    """Runs a command without a shell and waits for its end, or for ours.

    ``known`` are secrets that may turn up in its output, each with what it is; ``aside`` lets
    all of it through on stderr.
    """
    tail = _Tail()
    ended = partial(_ended, tail, signals, known or {})
    if signals.first:
        return ended(None, "it was interrupted before it started")
    try:
        process = subprocess.Popen(  # noqa: S603 - what to run is what the operator typed
            list(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as error:
        return ended(None, f"it could not be started: {error.strerror}")
    readers = _readers(process, tail, aside=aside)
    code = _wait(process, signals)
    deadline = time.monotonic() + DRAIN_SECONDS
    for reader in readers:
        reader.join(max(0.0, deadline - time.monotonic()))
    problem = "" if code is not None else "it was still running when the recording was stopped"
    return ended(code, problem)


def _ended(
    tail: _Tail, signals: Signals, known: Mapping[str, str], code: int | None, problem: str
) -> Ended:
    # As a shell says it: ended by signal 15 is 143.
    shown = 128 - code if code is not None and code < 0 else code
    completed = datetime.now(timezone.utc)
    output, masked = tail.text({**masking.of_environment(os.environ), **known})
    return Ended(completed, shown, output, signals.first, problem, masked)


def _readers(
    process: subprocess.Popen[bytes], tail: _Tail, *, aside: bool
) -> list[threading.Thread]:
    pairs = [
        (process.stdout, (sys.stderr if aside else sys.stdout).buffer),
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
            tail.add(id(source), chunk)
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
