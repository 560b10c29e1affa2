"""Gate P: the artifacts, approvals and system states that come first."""

from _checkout import command

if __name__ == "__main__":
    command("validate_prerequisites_13")
