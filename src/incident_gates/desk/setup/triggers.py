"""Checks of the workflows that run the gates."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from incident_gates.desk.setup import workflows
from incident_gates.desk.setup.answers import Answer, good, hint, unknown, wrong
from incident_gates.desk.setup.checks import check
from incident_gates.desk.setup.running_on import OLDEST_PYTHON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from incident_gates.desk.setup.patient import Patient
    from incident_gates.desk.setup.workflows import Job, Step, Workflow

    Found = Iterator[str]

FILTERS = ("paths", "paths-ignore", "branches", "branches-ignore")
NONE_HERE = "No workflow runs the gates."
INIT = "incident-gates init --yes --only workflow"
_VERSION = re.compile(r"(\d+)(?:\.(\d+))?(?:\.|\Z)")


def _ours(patient: Patient) -> list[Workflow]:
    return [workflow for workflow in patient.workflows if workflow.ours]


def _jobs(patient: Patient) -> Iterator[tuple[Workflow, Job]]:
    for workflow in _ours(patient):
        yield from ((workflow, job) for job in workflow.jobs if job.ours)


def _asked(
    patient: Patient, places: Callable[[Patient], Found], good_: str, bad: str, do: str
) -> Answer:
    """The answer where each place found is one that is wrong."""
    if not _ours(patient):
        return good(NONE_HERE)
    found = list(places(patient))
    return wrong(bad, do, found) if found else good(good_)


@check("workflow")
def present(patient: Patient) -> Answer:
    """Without one nothing is judged before it is merged."""
    refused = [f"{w.path}: {w.refused}" for w in patient.workflows if w.refused]
    if refused:
        said = "A workflow that may run the gates cannot be read:"
        return unknown(said, "Write it in plain YAML, without anchors and tags.", refused)
    if _ours(patient):
        return good(", ".join(workflow.path for workflow in _ours(patient)))
    on_github = (patient.base / ".github").is_dir()
    on_github = on_github or "github.com" in patient.setting("remote.origin.url")
    return wrong(NONE_HERE, INIT) if on_github else hint(NONE_HERE, f"On GitHub: {INIT}")


@check("permissions")
def permissions(patient: Patient) -> Answer:
    """What the token may do is said, and it is enough to check out."""
    return _asked(
        patient,
        _without_permissions,
        "The workflow may read the repository.",
        "The workflow does not say that it may read the repository, and no more:",
        "Add to the job: permissions: {contents: read}",
    )


def _without_permissions(patient: Patient) -> Found:
    for workflow, job in _jobs(patient):
        holder = job.data if "permissions" in job.data else workflow.data
        given = holder.get("permissions")
        may = given == "read-all" or workflows.mapping(given).get("contents") in ("read", "write")
        if not may:
            below = (*job.pointer, "permissions") if holder is job.data else ("permissions",)
            yield workflow.place(*(below if "permissions" in holder else job.pointer))


@check("pull requests")
def pull_requests(patient: Patient) -> Answer:
    """A change is judged before it is merged."""
    if _ours(patient) and not any(_called_or(w, "pull_request") for w in _ours(patient)):
        return wrong("No change is judged before it is merged.", "Add pull_request: under on:.")
    return good("Changes are judged before they are merged." if _ours(patient) else NONE_HERE)


def _called_or(workflow: Workflow, event: str) -> bool:
    return any(workflow.trigger(name) is not None for name in (event, "workflow_call"))


@check("path filter")
def path_filter(patient: Patient) -> Answer:
    """GitHub waits for ever for a required check that a filter keeps from running."""
    return _asked(
        patient,
        _filtered,
        "Every pull request gets its answer.",
        "A filter keeps the workflow from running: as a required check it stays pending for ever, "
        "and blocks the merge.",
        "Remove the filter. The gates say themselves when a change is none of their business.",
    )


def _filtered(patient: Patient) -> Found:
    for workflow in _ours(patient):
        for event in ("pull_request", "merge_group"):
            given = workflow.trigger(event) or {}
            yield from (workflow.place("on", event, name) for name in FILTERS if name in given)


@check("fork safety")
def target(patient: Patient) -> Answer:
    """pull_request_target runs with secrets at hand, and on the base, not on the change."""
    heads = [place for workflow in _ours(patient) for place in _head_under_target(workflow)]
    if heads:
        said = "Code of strangers is checked out with secrets at hand:"
        return wrong(said, "Use pull_request instead of pull_request_target.", heads)
    return _asked(
        patient,
        lambda p: (w.place("on", T) for w in _ours(p) if w.trigger(T) is not None),
        "Strangers' pull requests get no secrets.",
        "pull_request_target looks at the base and not at the change; the gates refuse it:",
        "Use pull_request instead.",
    )


T = "pull_request_target"


def _head_under_target(workflow: Workflow) -> Found:
    if workflow.trigger(T) is None:
        return
    for job in workflow.jobs:
        for step in job.steps:
            ref = str(step.given("ref") or "") + str(step.given("repository") or "")
            if step.uses(workflows.CHECKOUT) and ("head" in ref or "/merge" in ref):
                yield workflow.place(*step.pointer)


@check("checkout")
def checkout(patient: Patient) -> Answer:
    """The commit that the event is about is checked out, before it is judged."""
    return _asked(
        patient,
        _badly_checked_out,
        "The commit of the event is what is judged.",
        "The gates do not see the commit of the event:",
        "Let actions/checkout run before them, without ref: and repository:.",
    )


def _badly_checked_out(patient: Patient) -> Found:
    for workflow, job in _jobs(patient):
        for at, step in enumerate(job.steps):
            if workflows.is_ours(step):
                before = [s for s in job.steps[:at] if s.uses(workflows.CHECKOUT)]
                if not before:
                    yield workflow.place(*step.pointer)
                yield from _elsewhere(workflow, before)


def _elsewhere(workflow: Workflow, steps: list[Step]) -> Found:
    """A second checkout into a folder of its own is how evidence is kept apart."""
    for step in steps:
        if step.given("ref") and not step.given("path"):
            yield workflow.place(*step.pointer, "with", "ref")


@check("fetch depth")
def fetch_depth(patient: Patient) -> Answer:
    """With one commit alone, an approval cannot be held against the plan as it was."""
    computed = [w.place(*s.pointer) for w, s in _checkouts(patient) if "${{" in _depth(s)]
    if computed:
        said = "How much history is fetched is computed, and cannot be told here:"
        return unknown(said, "Write fetch-depth: 0.", computed)
    return _asked(
        patient,
        lambda p: (w.place(*s.pointer) for w, s in _checkouts(p) if _depth(s) != "0"),
        "The whole history is fetched.",
        "Only a part of the history is fetched: earlier approvals cannot be looked up.",
        "Give actions/checkout fetch-depth: 0.",
    )


def _checkouts(patient: Patient) -> Iterator[tuple[Workflow, Step]]:
    for workflow, job in _jobs(patient):
        yield from ((workflow, s) for s in job.steps if s.uses(workflows.CHECKOUT))


def _depth(step: Step) -> str:
    return str(step.given("fetch-depth"))


@check("runner python")
def runner_python(patient: Patient) -> Answer:
    """The Action takes the Python that is first on the runner's PATH."""
    return _asked(
        patient,
        _old_python,
        "No old Python is put in the way.",
        "actions/setup-python puts one before the gates that is too old:",
        'python-version: "3.13", in quotes: without them 3.10 is read as 3.1.',
    )


def _old_python(patient: Patient) -> Found:
    for workflow, job in _jobs(patient):
        for step in job.steps:
            if step.uses(workflows.PYTHON) and _is_old(step.given("python-version")):
                yield workflow.place(*step.pointer, "with", "python-version")


def _is_old(version: Any) -> bool:
    found = _VERSION.match(str(version))
    return bool(found and found[2]) and (int(found[1]), int(found[2])) < OLDEST_PYTHON  # type: ignore[index]


@check("merge queue")
def merge_queue(patient: Patient) -> Answer:
    """A required check that does not run on merge_group makes every queued merge fail."""
    if _ours(patient) and not any(_called_or(w, "merge_group") for w in _ours(patient)):
        return hint("It does not run in a merge queue, should you turn one on.", "Add merge_group:")
    return good("It runs in a merge queue." if _ours(patient) else NONE_HERE)


@check("schedule")
def schedule(patient: Patient) -> Answer:
    """What nobody touches is judged by nobody, unless by the clock."""
    if _ours(patient) and not any(_called_or(w, "schedule") for w in _ours(patient)):
        said = "Nobody notices an incident that was never closed."
        return hint(said, 'Add schedule: [{cron: "17 6 * * 1"}] under on:.')
    return good("Incidents that nobody closed are looked for." if _ours(patient) else NONE_HERE)


@check("enforced")
def enforced(patient: Patient) -> Answer:
    """An advisory workflow shows everything and stops nothing."""
    advisory = [w.path for w, job in _jobs(patient) for s in job.steps if _advises(s)]
    if advisory:
        said = "Advisory: a failed gate is shown and stops nothing."
        return hint(said, "Remove enforce: false once the findings are understood.")
    return good("A failed gate fails the check." if _ours(patient) else NONE_HERE)


def _advises(step: Step) -> bool:
    return workflows.is_ours(step) and step.given("enforce") in (False, "false")
