"""Says in words why a value does not fit its schema; imported only when one does not."""

from __future__ import annotations

import json
from difflib import get_close_matches
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import jsonschema_rs
from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from incident_gates.evidence import times

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN = 60
# Of so many the first ones, as the file has them, are said.
MOST = 200
TIME = "2026-03-14T02:25:00Z"


@cache
def _agrees(keyword: str, setting: str) -> Any:
    """jsonschema-rs's own reading of one ``pattern`` or ``format``, so that both engines agree."""
    return jsonschema_rs.validator_for({keyword: setting}, validate_formats=True, offline=True)


def _delegated(keyword: str) -> Any:
    def check(_: Any, setting: str, instance: Any, __: Any) -> Iterator[ValidationError]:
        if isinstance(instance, str) and not _agrees(keyword, setting).is_valid(instance):
            yield ValidationError(f"does not match {setting}")

    return check


def _refused_items(top: dict[str, Any], common: dict[str, Any]) -> Any:
    """``items`` that asks why only where jsonschema-rs, a hundred times faster, says no."""
    shared = jsonschema_rs.Registry([(common["$id"], common)])
    around: dict[str, Any] = {key: top[key] for key in ("$id", "$defs") if key in top}
    entries: dict[int, Any] = {}

    def check(validator: Any, items: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
        if id(items) not in entries:
            entries[id(items)] = jsonschema_rs.validator_for(
                {**around, "allOf": [items]}, validate_formats=True, offline=True, registry=shared
            )
        for index, item in enumerate(instance if isinstance(instance, list) else ()):
            if not entries[id(items)].is_valid(item):
                yield from validator.descend(item, items, path=index)

    return check


def explainer(schema: dict[str, Any], common: dict[str, Any]) -> Any:
    """What finds the errors of a value; it takes longer to make than to ask."""
    resource = DRAFT202012.create_resource(common)
    registry: Registry[Any] = Registry().with_resource(common["$id"], resource)
    return extend(  # type: ignore[no-untyped-call]
        Draft202012Validator,
        {
            "pattern": _delegated("pattern"),
            "format": _delegated("format"),
            "items": _refused_items(schema, common),
        },
    )(schema, registry=registry, format_checker=FormatChecker(formats=()))


def errors(asked: Any, value: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Each error's pointer and one phrase about it, in the order of the file."""
    first = islice(asked.iter_errors(value), MOST)
    found = sorted(first, key=lambda e: [str(p) for p in e.absolute_path])
    for error in found:
        deepest = _deepest(error)
        yield tuple(deepest.absolute_path), _phrase(deepest)


def _deepest(error: ValidationError) -> ValidationError:
    """Inside a choice between shapes, the error in the branch that the value meant to take."""
    while error.context:
        inside = [e for e in error.context if len(e.absolute_path) > len(error.absolute_path)]
        if not inside:
            return error
        error = max(inside, key=lambda e: len(e.absolute_path))
    return error


def _phrase(error: ValidationError) -> str:
    # Sorted, for the order of keys means nothing: the same content gets the same message.
    shown = json.dumps(error.instance, ensure_ascii=False, sort_keys=True)
    shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"
    parent: dict[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    if isinstance(error.instance, str) and _asks_for_a_time(parent):
        fits = times.parse(error.instance)
        why = "it lacks a capital T or Z, or its year" if fits else times.why_not(error.instance)
        return f"{shown}: {why}; write it as {TIME}"
    said = _PHRASES.get(str(error.validator))
    if said:
        return str(said(error, shown))
    expected = parent.get("title") or _meaning(parent)
    return f"{shown} is not {_article(expected)}" if expected else f"{shown}: {error.message}"


def _asks_for_a_time(parent: dict[str, Any]) -> bool:
    return _meaning(parent).startswith("RFC 3339")


def _meaning(node: dict[str, Any]) -> str:
    """What a schema says of itself; a shared definition says it in $comment."""
    return str(node.get("description") or node.get("$comment", ""))


def _article(expected: str) -> str:
    first = expected.split(". ", maxsplit=1)[0].rstrip(".")
    return f"what is expected here: {first}"


def _choice(error: ValidationError, shown: str) -> str:
    parent: dict[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    expected = _meaning(parent) or str(parent.get("title") or "any of the shapes allowed")
    return f"{shown} is not {_article(expected)}"


def _unknown_key(error: ValidationError) -> str:
    """Names the key that a closed object does not know, and the nearest one that it does."""
    parent: dict[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    known = list(parent.get("properties", ()))
    held = error.instance if isinstance(error.instance, dict) else {}
    unknown = sorted(k for k in held if k not in known and not k.startswith("x-"))
    close = get_close_matches(unknown[0], known, n=1) if unknown else []
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"unknown key {', '.join(unknown)}{hint}"


_TYPES = {"object": "an object", "array": "a list", "string": "a text", "integer": "a whole number"}

_PHRASES: dict[str, Any] = {
    "required": lambda e, _: e.message.replace("is a required property", "is missing"),
    "enum": lambda e, shown: f"{shown} is none of {', '.join(map(str, e.validator_value))}",
    "type": lambda e, shown: (
        f"{shown} is not {_TYPES.get(str(e.validator_value), f'a {e.validator_value}')}"
    ),
    "anyOf": _choice,
    "oneOf": _choice,
    "additionalProperties": lambda e, _: _unknown_key(e),
    "minLength": lambda *_: "is empty",
    "maxLength": lambda e, _: f"is longer than {e.validator_value} characters",
    "maxItems": lambda e, _: f"holds more than {e.validator_value} entries",
    "minimum": lambda e, shown: f"{shown} is below {e.validator_value}",
    "maximum": lambda e, shown: f"{shown} is above {e.validator_value}",
}
