"""Writes gate results, inventory and quality metrics of each incident."""

from _checkout import command

if __name__ == "__main__":
    command("aggregate_evidence_13")
