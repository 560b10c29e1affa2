"""The parts that init can set up, each of them one file of the repository."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incident_gates import __version__, schema
from incident_gates.desk.setup import catalog, jsonc
from incident_gates.desk.setup import site as sites
from incident_gates.desk.setup.proposal import Proposal
from incident_gates.errors import ConfigurationError, UsageError
from incident_gates.evidence import strict_yaml
from incident_gates.evidence.refusal import Refusal
from incident_gates.policy import NAME as POLICY

if TYPE_CHECKING:
    from collections.abc import Callable

    from incident_gates.desk.setup.site import Site

REPOSITORY = "incident-gates/incident-gates"
WORKFLOW = ".github/workflows/incident-gates.yml"
SETTINGS = ".vscode/settings.json"
PRE_COMMIT = ".pre-commit-config.yaml"
ATTRIBUTES = ".gitattributes"
HOOK = "incident-gates"
WIDTH = 78
# The trigger and the step of our own workflow that are another's in another's repository.
PATHS = 'paths: [".artifacts/**"]'
OURS = re.compile(r"uses: \./.*")


def _there(part: str, path: str, text: str, said: str) -> Proposal:
    return Proposal(part, path, said, text, text)


# --- workflow ------------------------------------------------------------------------------------


def workflow(site: Site) -> Proposal:
    """The workflow that this repository runs itself, with the release instead of the checkout."""
    before = sites.text(site, WORKFLOW)
    if before is not None:
        return _there("workflow", WORKFLOW, before, "It is there already, and stays yours.")
    other = _other_workflow(site)
    if other:
        said = f"{other} runs the gates already; a second one would judge twice."
        return Proposal("workflow", WORKFLOW, said, None, None)
    said = "Judges the evidence that a change touches. It can read the repository, nothing else."
    return Proposal("workflow", WORKFLOW, said, None, workflow_text(site))


def _other_workflow(site: Site) -> str:
    from incident_gates.desk.setup import workflows

    return next((w.path for w in workflows.every(site.base) if w.ours), "")


def workflow_text(site: Site) -> str:
    """The file as it is copied."""
    body = _source().partition("\nname:")[2]
    if not OURS.search(body) or PATHS not in body:
        raise ConfigurationError("The workflow that came with this installation is not whole")
    step = (
        f"uses: {REPOSITORY}@v{__version__} # a release cannot be changed; its commit is stricter"
    )
    body = OURS.sub(step, body).replace(PATHS, f'paths: ["{site.evidence}/**"]')
    return (
        "# Judges the evidence of incidents. Keep pull_request without path filters: a required\n"
        f"# check that does not run blocks every merge.\nname:{body}"
    )


def _source() -> str:
    """Our own workflow: in the checkout where it runs, or the copy inside the wheel."""
    carried = Path(__file__).with_name("incident-gates.yml")
    checkout = Path(__file__).resolve().parents[4] / WORKFLOW
    try:
        return (carried if carried.is_file() else checkout).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError("The workflow did not come with this installation") from error


# --- policy --------------------------------------------------------------------------------------


def policy(site: Site) -> Proposal:
    """Every setting, explained and commented out."""
    before = sites.text(site, POLICY)
    if before is not None:
        return _there("policy", POLICY, before, "It is there already, and stays yours.")
    said = "Every setting with an example, commented out: it changes nothing until you edit it."
    if not site.usual:
        said = f"Names {site.root} as the root. Every other setting is commented out."
    return Proposal("policy", POLICY, said, None, policy_text(site))


def policy_text(site: Site) -> str:
    """The policy as it begins, written from its schema."""
    lines = [
        f"# yaml-language-server: $schema={schema.BASE}policy.schema.json",
        "## The settings of Incident Gates for this repository. All are optional; what is not",
        "## said here is as the protocol has it. To use a setting, remove the # before it.",
        'schema_version: "1.0"',
    ]
    for key, node in schema.load("policy")["properties"].items():
        if key not in ("$schema", "schema_version"):
            lines += ["", *_prose(node["description"]), *_setting(site, key, node)]
    return "\n".join(lines) + "\n"


def _prose(description: str) -> list[str]:
    return textwrap.wrap(description, WIDTH, initial_indent="## ", subsequent_indent="## ")


def _setting(site: Site, key: str, node: dict[str, Any]) -> list[str]:
    import yaml

    in_use = key == "roots" and not site.usual
    value = [site.root] if in_use else node["examples"][-1 if key == "roots" else 0]
    dumped = yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True, width=WIDTH - 2)
    return [line if in_use else f"# {line}" for line in dumped.splitlines()]


# --- editor --------------------------------------------------------------------------------------


def editor(site: Site) -> Proposal:
    """Which schema belongs to which file, for VS Code and those that read its settings."""
    before = sites.text(site, SETTINGS)
    try:
        settings = jsonc.read(before if before and before.strip() else "{}\n")
        for entry in catalog.entries():
            settings = _associated(settings, entry, site)
    except Refusal as refusal:
        raise UsageError(jsonc.refusal_sentence(SETTINGS, refusal)) from refusal
    after = settings.text if settings.text != (before or "") else before
    if after == before:
        return _there("editor", SETTINGS, before or "", "It knows the schemas already.")
    said = "The editor explains each field, offers values, and marks what does not fit."
    return Proposal("editor", SETTINGS, said, before, after)


def _associated(settings: jsonc.Settings, entry: catalog.Entry, site: Site) -> jsonc.Settings:
    """The settings with a schema for files, unless they speak of that schema already."""
    patterns = [catalog.below(pattern, site) for pattern in entry.patterns]
    key = "json.schemas" if entry.json else "yaml.schemas"
    empty: Any = [] if entry.json else {}
    if key not in settings.value:
        settings = jsonc.added(settings, (), key, empty)
    there = settings.value[key]
    if not isinstance(there, type(empty)):
        raise UsageError(f"{key} is not what VS Code expects there.")
    known = [e.get("url") for e in there if isinstance(e, dict)] if entry.json else there
    if entry.url in known:
        return settings
    if entry.json:
        return jsonc.added(settings, (key,), None, {"fileMatch": patterns, "url": entry.url})
    return jsonc.added(settings, (key,), entry.url, patterns)


# --- pre-commit ----------------------------------------------------------------------------------


def pre_commit(site: Site) -> Proposal:
    """The hook that judges staged incidents, before they are committed."""
    before = sites.text(site, PRE_COMMIT)
    if before is not None and REPOSITORY in before:
        return _there("pre-commit", PRE_COMMIT, before, "The hook is there already.")
    said = "Judges the incidents of a commit, as they are staged, before it is made."
    entry = [f"- repo: https://github.com/{REPOSITORY}", f"  rev: v{__version__}", "  hooks:"]
    entry += [f"    - id: {HOOK}"]
    if not site.part and not site.usual:
        entry += [f"      files: ^{re.escape(site.root)}/"]
    if before is None or not before.strip():
        after = "\n".join(["repos:", *(f"  {line}" for line in entry)]) + "\n"
    else:
        after = _appended(before, entry)
    return Proposal("pre-commit", PRE_COMMIT, said, before, after)


def _appended(text: str, entry: list[str]) -> str:
    """The hooks with one more repository, behind the last that is there."""
    try:
        old = strict_yaml.parse(text)
        first = text.splitlines()[old.marks[("repos", 0)][0] - 1]
        margin = first[: len(first) - len(first.lstrip())]
        at = _end_of(text)
        newline = "\r\n" if "\r\n" in text else "\n"
        added = newline.join(margin + line for line in entry) + newline
        head = text[:at] if text[:at].endswith("\n") else text[:at] + newline
        changed = head + added + text[at:]
        repos = strict_yaml.parse(changed).value
    except (Refusal, KeyError, TypeError) as error:
        raise UsageError(_by_hand(entry)) from error
    new = strict_yaml.parse("\n".join(entry)).value
    if repos != {**old.value, "repos": [*old.value["repos"], *new]}:
        raise UsageError(_by_hand(entry))
    return changed


def _end_of(text: str) -> int:
    """The offset behind the last line of ``repos``, before what follows it."""
    lines = text.splitlines(keepends=True)
    first = next((n for n, line in enumerate(lines) if line.startswith("repos:")), 0)
    below = range(first + 1, len(lines))
    last = next((n for n in below if lines[n][0] not in " \t\r\n#-"), len(lines))
    while last and (not lines[last - 1].strip() or lines[last - 1].startswith("#")):
        last -= 1
    return sum(len(line) for line in lines[:last])


def _by_hand(entry: list[str]) -> str:
    shown = " ".join(line.strip() for line in entry)
    return f"{PRE_COMMIT} cannot be added to without touching it. Add by hand: {shown}"


# --- attributes ----------------------------------------------------------------------------------


def attributes(site: Site) -> Proposal:
    """Evidence keeps its bytes: Git for Windows would change line ends, and so every digest."""
    before = sites.text(site, ATTRIBUTES)
    wanted = (f"{site.evidence}/** -text", f"{site.part}{sites.PLAYBOOK} -text")
    present = [" ".join(line.split()) for line in (before or "").splitlines()]
    missing = [line for line in wanted if line not in present]
    if not missing:
        return _there("attributes", ATTRIBUTES, before or "", "Evidence keeps its bytes already.")
    newline = "\r\n" if "\r\n" in (before or "") else "\n"
    note = "# Digests are taken of evidence: it keeps its bytes on every system."
    head = before or ""
    head += "" if not head or head.endswith("\n") else newline
    added = newline.join([*([] if note in head else [note]), *missing]) + newline
    said = "Keeps line ends as they are: a changed one breaks the digest of a file."
    return Proposal("attributes", ATTRIBUTES, said, before, head + added)


PARTS: dict[str, Callable[[Site], Proposal]] = {
    "workflow": workflow,
    "policy": policy,
    "editor": editor,
    "pre-commit": pre_commit,
    "attributes": attributes,
}


def chosen(only: str | None) -> list[str]:
    """The parts asked for; raises UsageError where one is unknown."""
    names = [name.strip() for name in only.split(",")] if only else list(PARTS)
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise UsageError(f"--only {', '.join(unknown)}: choose among {', '.join(PARTS)}.")
    return names
