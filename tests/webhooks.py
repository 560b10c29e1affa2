"""Payloads as GitHub sends them, from @octokit/webhooks-examples, fitted to a repository."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import TYPE_CHECKING, Any

import npm_package

if TYPE_CHECKING:
    from gitwork import Site

PACKAGE = "@octokit/webhooks-examples@7.6.1"
Payload = dict[str, Any]


@cache
def _events() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        npm_package.member(PACKAGE, "api.github.com/index.json")
    )
    return found


def names() -> list[str]:
    """Every event that has examples."""
    return [event["name"] for event in _events()]


def about(name: str) -> dict[str, Any]:
    """An event: its actions, its description, its examples."""
    return next(event for event in _events() if event["name"] == name)


def examples(name: str, *actions: str) -> list[Payload]:
    """Copies of the examples of an event, of these actions alone where any is named."""
    every: list[Payload] = copy.deepcopy(about(name)["examples"])
    return [each for each in every if not actions or each["action"] in actions]


def fork() -> dict[str, Any]:
    """A repository that is a fork, as GitHub describes one."""
    found: dict[str, Any] = examples("fork")[0]["forkee"]
    return found


# --- fitted to a repository: ids of commits and names of branches, nothing else ------------------


def pull_request(site: Site, payload: Payload, branch: str = "feature") -> Payload:
    """An example about a branch that would go to main."""
    for side, ref in (("head", branch), ("base", "main")):
        payload["pull_request"][side] |= {"ref": ref, "sha": site.git("rev-parse", ref)}
    return _at_main(payload)


def push(site: Site, payload: Payload, before: str, ref: str = "refs/heads/main") -> Payload:
    """An example about a push of what is checked out; what created or deleted stays so."""
    ids = {"before": before, "after": site.git("rev-parse", "HEAD")}
    kept = {name: value for name, value in ids.items() if payload[name].strip("0")}
    return _at_main({**payload, **kept, "ref": ref})


def merge_group(site: Site, payload: Payload, base: str) -> Payload:
    """An example about a group that is checked out."""
    payload["merge_group"] |= {"base_sha": base, "head_sha": site.git("rev-parse", "HEAD")}
    return _at_main(payload)


def _at_main(payload: Payload) -> Payload:
    payload["repository"]["default_branch"] = "main"
    return payload
