"""GitHub: a deployment that ran, with how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from incident_gates.desk.imports import claims
from incident_gates.desk.imports.values import at, first, left, text, time
from incident_gates.errors import UsageError

if TYPE_CHECKING:
    from incident_gates.desk.imports.claims import Claims

ENDED = {"success": "succeeded", "failure": "failed", "error": "failed"}
RUNNING = ("pending", "queued", "in_progress", "waiting")


def read(payload: dict[str, Any]) -> Claims:
    """The deployment as an execution: what it ran, when, and with what outcome."""
    status, deployment = at(payload, "deployment_status"), at(payload, "deployment")
    state = text(status, "state")
    if state not in (*ENDED, *RUNNING):
        said = f'the state "{state}" says that a later deployment took its place'
        raise UsageError(said if state == "inactive" else f'the state "{state}" is not known')
    reported = time(status, "created_at")
    ended = state in ENDED
    entry = {
        "operator": _operator(deployment, status),
        "command": _command(deployment, status),
        "change_reference": _reference(payload, deployment, status),
        "started_at": _started(deployment, state, reported),
        "completed_at": _completed(state, reported),
        "exit_code": "N/A: a GitHub deployment has a state, not an exit code",
        "output": _output(status, state),
        "outcome": ENDED.get(state, "unknown"),
    }
    execution = claims.Execution(text(deployment, "id"), entry, ended)
    rest = left(payload, "deployment_status", "deployment", "action")
    return claims.Claims(execution=execution, left=rest)


def _operator(deployment: Any, status: Any) -> Any:
    login = first(text(deployment, "creator", "login"), text(status, "creator", "login"))
    return {"name": login[:200], "role": "operator"} if login else "N/A: the payload names nobody"


def _command(deployment: Any, status: Any) -> str:
    task = first(text(deployment, "task"), "deployment")
    ref, sha = text(deployment, "ref"), text(deployment, "sha")
    where = first(text(status, "environment"), text(deployment, "environment"))
    what = [f"GitHub {task}", f"of {ref}" if ref else "", f"at {sha[:12]}" if sha else ""]
    return " ".join([*(part for part in what if part), *([f"to {where}"] if where else [])])


def _reference(payload: dict[str, Any], deployment: Any, status: Any) -> str:
    run = first(text(status, "log_url"), text(status, "target_url"))
    run = first(run, text(payload, "workflow_run", "html_url"), text(deployment, "url"))
    number = f"deployment {text(deployment, 'id')}"
    return f"{number}, {run}" if run else number


def _started(deployment: Any, state: str, reported: str) -> Any:
    """When it was asked for, unless this very status says that it is beginning now."""
    asked = time(deployment, "created_at")
    if state == "in_progress" and reported:
        return {"at": reported, "source": "GitHub deployment_status in_progress"}
    if asked:
        return {"at": asked, "source": "GitHub deployment.created_at"}
    return "TODO when it started: the payload does not say"


def _completed(state: str, reported: str) -> Any:
    if state not in ENDED:
        return f"N/A: it was {state.replace('_', ' ')} when this was imported"
    if reported:
        return {"at": reported, "source": "GitHub deployment_status"}
    return "TODO when it ended: the payload does not say"


def _output(status: Any, state: str) -> str:
    said = text(status, "description")
    return f"GitHub says {state}: {said}" if said else f"GitHub says {state}"
