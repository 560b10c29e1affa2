"""Gate P: are the artifacts, approvals and system states there that must come first?"""

from _checkout import command

if __name__ == "__main__":
    command("validate_prerequisites_13")
