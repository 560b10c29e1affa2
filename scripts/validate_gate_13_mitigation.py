"""Gate 2: the plan ready and approved before anyone ran it."""

from _checkout import command

if __name__ == "__main__":
    command("validate_gate_13_mitigation")
