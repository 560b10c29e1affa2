"""Gate 4: resolved, documented, and the evidence archived."""

from _checkout import command

if __name__ == "__main__":
    command("validate_gate_13_resolution")
