"""Runs one target under atheris: python bench/fuzz/one.py --TARGET [what libFuzzer understands]."""

from __future__ import annotations

import importlib
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SEEDS = HERE / "corpus"
# What is watched for new ways through the code: the product, and what it reads archives with.
WATCHED = ["incident_gates", "zipfile"]
LONGEST = 10  # seconds of CPU


def timed(fuzz: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """The target, which no input may keep busy for longer than one incident may."""

    def bounded(data: bytes) -> None:
        began = time.process_time()
        fuzz(data)
        if (took := time.process_time() - began) > LONGEST:
            raise TimeoutError(f"took {took:.0f} s of CPU")

    return bounded


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    import atheris

    sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests"), str(HERE)]
    # To merge, a shell calls all this again; what begins with two dashes libFuzzer ignores.
    name = sys.argv[1].removeprefix("--")
    atheris.enabled_hooks.add("str")
    with atheris.instrument_imports(include=WATCHED):
        target = importlib.import_module(f"targets.{name}")
        # Some modules are imported when they are first needed, which must be in here.
        for seed in sorted((SEEDS / name).iterdir()):
            target.fuzz(seed.read_bytes())
    again = shlex.join([sys.executable, __file__])
    atheris.Setup([again, *sys.argv[1:]], timed(target.fuzz))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
