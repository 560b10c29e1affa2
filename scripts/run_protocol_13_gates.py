"""All gates of the protocol, on every incident of a repository."""

from _checkout import command

if __name__ == "__main__":
    command("run_protocol_13_gates")
