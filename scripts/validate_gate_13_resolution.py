"""Gate 4: is the incident resolved, documented, and its evidence archived?"""

from _checkout import command

if __name__ == "__main__":
    command("validate_gate_13_resolution")
