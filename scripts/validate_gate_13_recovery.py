"""Gate 3: did the mitigation arrive, and does the service work again?"""

from _checkout import command

if __name__ == "__main__":
    command("validate_gate_13_recovery")
