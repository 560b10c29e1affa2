"""Gate 1: severity agreed, and everyone told in time."""

from _checkout import command

if __name__ == "__main__":
    command("validate_gate_13_severity")
