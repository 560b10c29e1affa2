"""Runs a command of the package from a bare checkout, whether or not it is installed."""

import importlib
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"


def command(name: str) -> None:
    """Runs one of the protocol's commands; says what to install where something is missing."""
    sys.path.insert(0, str(SOURCE))
    try:
        importlib.import_module("incident_gates.entry").seek_no_cycles()
        module = importlib.import_module("incident_gates.commands")
    except ImportError as error:
        lock = SOURCE.parent / "requirements" / "run.txt"
        print(f"{error.name} is not installed. Run: pip install -r {lock}", file=sys.stderr)
        sys.exit(2)
    getattr(module, name)(prog_name=f"{name}.py")
