"""Gate 3: the mitigation arrived, and the service works again."""

from _checkout import command

if __name__ == "__main__":
    command("validate_gate_13_recovery")
