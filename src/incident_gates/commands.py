"""The protocol's own commands, under the names that it prints; each is a form of ``check``."""

from __future__ import annotations

from typing import Any

import click

from incident_gates import cli
from incident_gates.options import FLAGS, JUDGING, SELECTING, with_options
from incident_gates.package.commands import PACKAGING, aggregated
from incident_gates.terminal import SETTINGS, Command


def _threshold(name: str) -> Any:
    return click.option(
        "--threshold",
        name,
        type=click.FloatRange(0, 1),
        metavar="RATIO",
        help="What the gate must reach. [protocol: 0.95]",
    )


def _gate(name: str, gate: str, *options: Any) -> click.Command:
    @click.command(name, cls=Command, context_settings=SETTINGS, help=_help(name, gate, options))
    @with_options(*SELECTING, *JUDGING, *options)
    def command(**given: Any) -> None:
        raise SystemExit(cli.judge(gates=(gate,), **given))

    return command


def _help(name: str, gate: str, options: tuple[Any, ...]) -> str:
    example = {
        "severity": " --sla 5",
        "recovery": " --threshold 0.95",
        "resolution": " --threshold 0.95",
    }
    return (
        f"Judge the {gate} gate alone, due or not.\n\n"
        f"\b\n  python scripts/{name}.py{example.get(gate, '') if options else ''}"
    )


validate_prerequisites_13 = _gate("validate_prerequisites_13", "prerequisites")
validate_gate_13_severity = _gate("validate_gate_13_severity", "severity", FLAGS["--sla"])
validate_gate_13_mitigation = _gate("validate_gate_13_mitigation", "mitigation")
validate_gate_13_recovery = _gate(
    "validate_gate_13_recovery", "recovery", _threshold("recovery_pass_rate")
)
validate_gate_13_resolution = _gate(
    "validate_gate_13_resolution", "resolution", _threshold("documentation_completeness")
)


@click.command("run_protocol_13_gates", cls=Command, context_settings=SETTINGS)
@with_options(*SELECTING, *JUDGING, *FLAGS.values())
def run_protocol_13_gates(**given: Any) -> None:
    """Judge incidents against prerequisites and all four gates.

    \b
      python scripts/run_protocol_13_gates.py
      python scripts/run_protocol_13_gates.py --incident INC-2026-0042 --require ready
    """
    raise SystemExit(cli.judge(**given))


@click.command("aggregate_evidence_13", cls=Command, context_settings=SETTINGS)
@with_options(*SELECTING, *PACKAGING)
def aggregate_evidence_13(**given: Any) -> None:
    """Write manifest, digests, quality metrics and hand-over of each incident.

    \b
      python scripts/aggregate_evidence_13.py --output .artifacts/incidents/
    """
    raise SystemExit(aggregated(**given))
