"""Schemas: jsonschema-rs says yes or no, jsonschema explains a no; both offline, both agreeing."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    import jsonschema_rs

BASE = "https://raw.githubusercontent.com/incident-gates/incident-gates/main/schemas/"
COMMON = "common"
MAX_PROBLEMS = 20


class Problem(NamedTuple):
    """One way in which a value does not fit its schema."""

    pointer: tuple[str | int, ...]
    message: str


def folder() -> Path:
    """Where the schemas stand: the checkout's own folder, or the copy inside the wheel."""
    checkout = Path(__file__).resolve().parents[2] / "schemas"
    if (checkout / f"{COMMON}.schema.json").is_file():
        return checkout
    return Path(__file__).with_name("schemas")


@cache
def load(name: str) -> dict[str, Any]:
    """One schema as JSON."""
    text = (folder() / f"{name}.schema.json").read_text(encoding="utf-8")
    parsed: dict[str, Any] = json.loads(text)
    return parsed


@cache
def known(name: str) -> bool:
    """Whether there is a schema of that name."""
    return (folder() / f"{name}.schema.json").is_file()


SAID = frozenset(("title", "description", "examples", "$comment"))


def shape(node: Any, *, closed: bool) -> Any:
    """A schema without its words; closed, an object may hold only what is named, or ``x-`` keys."""
    if isinstance(node, list):
        return [shape(item, closed=closed) for item in node]
    if not isinstance(node, dict):
        return node
    bare = {key: shape(value, closed=closed) for key, value in node.items() if key not in SAID}
    properties = node.get("properties")
    if isinstance(properties, dict):
        bare["properties"] = {k: shape(v, closed=closed) for k, v in properties.items()}
        if closed and "additionalProperties" not in node:
            bare["additionalProperties"] = False
            bare["patternProperties"] = {"^x-": True, **bare.get("patternProperties", {})}
    return bare


@cache
def _gate(name: str, *, closed: bool) -> jsonschema_rs.Validator:
    import jsonschema_rs

    own, shared = shape(load(name), closed=closed), _shared(closed=closed)
    return jsonschema_rs.validator_for(own, validate_formats=True, offline=True, registry=shared)


@cache
def _shared(*, closed: bool) -> jsonschema_rs.Registry:
    import jsonschema_rs

    common = shape(load(COMMON), closed=closed)
    return jsonschema_rs.Registry([(f"{BASE}{COMMON}.schema.json", common)])


def fits(name: str, value: Any) -> bool:
    """Whether a value fits a schema and holds nothing that the schema does not name."""
    return bool(_gate(name, closed=True).is_valid(value))


def problems(name: str, value: Any) -> tuple[Problem, ...]:
    """Every way in which a value breaks its schema, at most MAX_PROBLEMS."""
    if fits(name, value) or _gate(name, closed=False).is_valid(value):
        return ()
    return tuple(dict.fromkeys(_explained(name, value)))


def _explained(name: str, value: Any) -> Iterator[Problem]:
    from incident_gates import explain

    for number, problem in enumerate(explain.errors(load(name), load(COMMON), value)):
        if number == MAX_PROBLEMS:
            return
        yield Problem(*problem)


def unknown_properties(name: str, value: Any) -> tuple[Problem, ...]:
    """Each property that the schema does not name, with the nearest one that it does."""
    if fits(name, value):
        return ()
    return tuple(_unknown(load(name), value, ()))


def _unknown(node: dict[str, Any], value: Any, pointer: tuple[str | int, ...]) -> Iterator[Problem]:
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
                yield Problem((*pointer, key), _nearest(key, named))


def _nearest(key: str, named: dict[str, Any]) -> str:
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
