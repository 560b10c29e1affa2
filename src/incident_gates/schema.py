"""Schemas: jsonschema-rs says yes or no, jsonschema explains a no; both offline, both agreeing."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import jsonschema_rs

from incident_gates.evidence.bounds import FINDINGS_A_RULE

BASE = "https://raw.githubusercontent.com/incident-gates/incident-gates/main/schemas/"
COMMON = "common"
SUFFIX = ".schema.json"
# What the tool writes and what it is told; all other schemas are of evidence.
OWN = frozenset(
    (COMMON, "overview", "policy", "protocol", "report", "selftest", "status", "verification")
)
MAX_PROBLEMS = 20


class Problem(NamedTuple):
    """One way in which a value does not fit its schema."""

    pointer: tuple[str | int, ...]
    message: str


@cache
def folder() -> Path:
    """Where the schemas stand: the checkout's own folder, or the copy inside the wheel."""
    checkout = Path(__file__).resolve().parents[2] / "schemas"
    if (checkout / f"{COMMON}{SUFFIX}").is_file():
        return checkout
    return Path(__file__).with_name("schemas")


@cache
def load(name: str) -> dict[str, Any]:
    """One schema as JSON."""
    text = (folder() / f"{name}{SUFFIX}").read_text(encoding="utf-8")
    parsed: dict[str, Any] = json.loads(text)
    return parsed


@cache
def known(name: str) -> bool:
    """Whether there is a schema of that name."""
    return (folder() / f"{name}{SUFFIX}").is_file()


SAID = frozenset(("title", "description", "examples", "$comment"))


def shape(node: Any, *, closed: bool) -> Any:
    """A schema without its words; closed, an object may hold only what is named, or ``x-`` keys."""
    if isinstance(node, list):
        return [shape(item, closed=closed) for item in node]
    if not isinstance(node, dict):
        return node
    properties = node.get("properties")
    left_out = SAID | {"properties"} if isinstance(properties, dict) else SAID
    bare = {key: shape(value, closed=closed) for key, value in node.items() if key not in left_out}
    if isinstance(properties, dict):
        bare["properties"] = {k: shape(v, closed=closed) for k, v in properties.items()}
        if closed and "additionalProperties" not in node:
            bare["additionalProperties"] = False
            bare["patternProperties"] = {"^x-": True, **bare.get("patternProperties", {})}
    return bare


@cache
def _evidence() -> tuple[str, ...]:
    """The names of the schemas that describe files of a record."""
    names = {path.name.removesuffix(SUFFIX) for path in folder().glob(f"*{SUFFIX}")}
    return tuple(sorted(names - OWN))


@cache
def _gate(names: tuple[str, ...], *, closed: bool) -> jsonschema_rs.Validator:
    """One validator of several files, each under its name.

    One for each of a record's files would take five times as long to build.
    """
    import jsonschema_rs

    shapes = [(f"{BASE}{n}{SUFFIX}", shape(load(n), closed=closed)) for n in (COMMON, *names)]
    files = {"properties": {name: {"$ref": f"{BASE}{name}{SUFFIX}"} for name in names}}
    registry = jsonschema_rs.Registry(shapes)
    return jsonschema_rs.validator_for(
        files, validate_formats=True, offline=True, registry=registry
    )


def _passes(name: str, value: Any, *, closed: bool) -> bool:
    names = _evidence() if name in _evidence() else (name,)
    return bool(_gate(names, closed=closed).is_valid({name: value}))


def fits(name: str, value: Any) -> bool:
    """Whether a value fits a schema and holds nothing that the schema does not name."""
    return _passes(name, value, closed=True)


def problems(name: str, value: Any) -> tuple[Problem, ...]:
    """Every way in which a value breaks its schema, at most MAX_PROBLEMS."""
    if fits(name, value) or _passes(name, value, closed=False):
        return ()
    return tuple(dict.fromkeys(_explained(name, value)))


@cache
def _explainer(name: str) -> Any:
    from incident_gates import explain

    return explain.explainer(load(name), load(COMMON))


def _explained(name: str, value: Any) -> Iterator[Problem]:
    from incident_gates import explain

    for number, problem in enumerate(explain.errors(_explainer(name), value)):
        if number == MAX_PROBLEMS:
            return
        yield Problem(*problem)


def unknown_properties(name: str, value: Any) -> tuple[Problem, ...]:
    """Each property that the schema does not name, with the nearest one that it does."""
    if fits(name, value):
        return ()
    found = enumerate(_unknown(load(name), value, ()))
    # What is only counted needs no advice, which takes a comparison with every name.
    return tuple(
        Problem(where, _nearest(str(where[-1]), named if number < FINDINGS_A_RULE else ()))
        for number, (where, named) in found
    )


def _unknown(
    node: dict[str, Any], value: Any, pointer: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    for shape in _shapes(node, value):
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from _unknown(shape.get("items", {}), item, (*pointer, index))
        named = shape.get("properties")
        if not isinstance(value, dict) or not isinstance(named, dict):
            continue
        for key, item in value.items():
            if key in named:
                yield from _unknown(named[key], item, (*pointer, key))
            elif "additionalProperties" not in shape and not key.startswith("x-"):
                yield (*pointer, key), named


def _nearest(key: str, named: Iterable[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(key.casefold(), named, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else "it is read by nothing"


def _shapes(node: dict[str, Any], value: Any) -> Iterator[dict[str, Any]]:
    """The schema itself and the branches that a value of that kind could take."""
    node = resolve(node)
    yield node
    wanted = "object" if isinstance(value, dict) else "array" if isinstance(value, list) else None
    for keyword in ("anyOf", "oneOf", "allOf"):
        for branch in map(resolve, node.get(keyword, ())):
            if wanted and branch.get("type", wanted) == wanted:
                yield from _shapes(branch, value)


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """The schema that a node refers to, or the node itself."""
    reference = node.get("$ref", "")
    if f"{COMMON}.schema.json#/$defs/" not in reference:
        return node
    target: dict[str, Any] = load(COMMON)["$defs"][reference.rsplit("/", 1)[1]]
    return target
