"""The schemas are sound, say what every property means, and accept the complete example."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from incident_gates import protocol, schema

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "schemas"
RECORD = ROOT / "examples/complete/.artifacts/incidents/INC-2026-0042"
NAMES = sorted(path.name.removesuffix(".schema.json") for path in FOLDER.glob("*.schema.json"))
UPSTREAM = {
    "alert-test-results",
    "production-deployment-report",
    "rollback-verification-report",
    "monitoring-approval-record",
    "post-deployment-validation",
}
CONFIGURATION = {"policy", "waivers", "amendments"}
WRITTEN = {"report", "overview", "evidence-manifest", "verification", "status", "selftest"}
OWN = set(NAMES) - UPSTREAM - CONFIGURATION - WRITTEN - {"common", "protocol"}
EXAMPLES = sorted(
    path for path in (ROOT / "examples/complete").rglob("*.json") if path.stem in NAMES
)
NAMED = {"properties", "$defs", "patternProperties"}
NESTED = {"additionalProperties", "propertyNames", "items", "if", "then", "else", "not"}
LISTED = {"anyOf", "oneOf", "allOf"}


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


SCHEMAS: dict[str, dict[str, Any]] = {name: read(FOLDER / f"{name}.schema.json") for name in NAMES}


def subschemas(node: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(node, dict):
        return
    yield where, node
    for key, value in node.items():
        if key in NAMED:
            for name, child in value.items():
                yield from subschemas(child, f"{where}/{key}/{name}")
        elif key in NESTED:
            yield from subschemas(value, f"{where}/{key}")
        elif key in LISTED:
            for index, child in enumerate(value):
                yield from subschemas(child, f"{where}/{key}/{index}")


def properties(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for where, node in subschemas(SCHEMAS[name]):
        for key, child in node.get("properties", {}).items():
            yield f"{where}/{key}", child


def delegated(keyword: str) -> Any:
    """Lets jsonschema read patterns and formats as jsonschema-rs does, as the product does."""

    def check(_: Any, setting: str, instance: Any, __: Any) -> Iterator[ValidationError]:
        judge = jsonschema_rs.validator_for({keyword: setting}, validate_formats=True, offline=True)
        if isinstance(instance, str) and not judge.is_valid(instance):
            yield ValidationError(f"does not match {setting}")

    return check


Explainer: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"pattern": delegated("pattern"), "format": delegated("format")}
)


class Engines:
    """One schema in both engines, each with a registry that holds the common definitions alone."""

    def __init__(self, shape: dict[str, Any], common: dict[str, Any]) -> None:
        address = SCHEMAS["common"]["$id"]
        self.fast = jsonschema_rs.validator_for(
            shape,
            validate_formats=True,
            offline=True,
            registry=jsonschema_rs.Registry([(address, common)]),
        )
        resource = DRAFT202012.create_resource(common)
        registry: Registry[Any] = Registry().with_resource(address, resource)
        self.slow = Explainer(shape, registry=registry)

    def accept(self, value: Any) -> bool:
        """Whether the value fits; an error where the engines disagree."""
        fast, slow = self.fast.is_valid(value), self.slow.is_valid(value)
        assert fast == slow, f"jsonschema-rs says {fast}, jsonschema says {slow}: {value!r:.200}"
        return bool(fast)


def engines(name: str, *, strict: bool = False) -> Engines:
    shapes = [schema.shape(copy.deepcopy(SCHEMAS[n]), closed=strict) for n in (name, "common")]
    return Engines(*shapes)


def part(name: str, fragment: dict[str, Any]) -> Engines:
    """A property's own schema, where its references mean what they mean in the whole file."""
    whole = SCHEMAS[name]
    rest = {"$schema": whole["$schema"], "$id": whole["$id"], "$defs": whole.get("$defs", {})}
    return Engines({**fragment, **rest}, SCHEMAS["common"])


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_valid_and_says_what_it_is(name: str) -> None:
    whole = SCHEMAS[name]
    Draft202012Validator.check_schema(whole)
    assert jsonschema_rs.meta.is_valid(whole)
    assert whole["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert whole["$id"] == f"{schema.BASE}{name}.schema.json"
    assert whole["title"]
    assert len(whole["description"]) > 40


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_self_contained(name: str) -> None:
    for where, node in subschemas(SCHEMAS[name]):
        file, _, pointer = node.get("$ref", "#").partition("#")
        assert file in {"", "common.schema.json"}, where
        target: Any = SCHEMAS["common"] if file else SCHEMAS[name]
        for key in filter(None, pointer.split("/")):
            target = target[key]
    for strict in (False, True):
        engines(name, strict=strict).accept({})


def test_nothing_is_fetched() -> None:
    elsewhere = {"$ref": "https://example.com/elsewhere.json"}
    with pytest.raises((jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError)):
        Engines(elsewhere, SCHEMAS["common"])


@pytest.mark.parametrize("name", NAMES)
def test_every_property_is_described_and_its_examples_fit(name: str) -> None:
    for where, node in properties(name):
        assert len(node.get("description", "")) > 4, where
        assert node["description"].endswith((".", ")")), where
        assert node.get("examples"), where
        for example in node["examples"]:
            assert part(name, node).accept(example), (where, example)


def choices(node: dict[str, Any]) -> Iterator[str]:
    yield from map(str, node.get("enum", ()))
    branches = [node["items"]] if "items" in node else node.get("anyOf", ())
    for inner in branches:
        yield from choices(inner)


@pytest.mark.parametrize("name", NAMES)
def test_every_enumerated_value_is_explained(name: str) -> None:
    for where, node in properties(name):
        if not where.endswith("/schema_version"):
            for value in choices(node):
                assert value in node["description"], (where, value)


@pytest.mark.parametrize("name", NAMES)
def test_shared_definitions_fit_their_examples(name: str) -> None:
    for key, node in SCHEMAS[name].get("$defs", {}).items():
        assert node.get("description") or node.get("$comment"), key
        for example in node["examples"]:
            assert part(name, node).accept(example), (key, example)


@pytest.mark.parametrize("name", NAMES)
def test_a_field_speaks_for_itself(name: str) -> None:
    """VS Code shows what a definition says of itself in place of what refers to it."""
    for where, node in subschemas(SCHEMAS[name]):
        file, _, pointer = node.get("$ref", "").partition("#/$defs/")
        if pointer and "description" in node:
            target = SCHEMAS["common" if file else name]["$defs"][pointer]
            assert "description" not in target, where


@pytest.mark.parametrize("name", NAMES)
def test_input_stays_bounded(name: str) -> None:
    if name in WRITTEN:
        return
    for where, node in subschemas(SCHEMAS[name]):
        if node.get("type") == "array":
            assert "maxItems" in node, where
        if node.get("type") == "string" and "enum" not in node:
            bounded = "maxLength" in node or not re.search(r"[*+]", node.get("pattern", "*"))
            assert bounded or "format" in node, where


@pytest.mark.parametrize("name", NAMES)
def test_patterns_mean_the_same_everywhere(name: str) -> None:
    for where, node in subschemas(SCHEMAS[name]):
        pattern = node.get("pattern", "")
        re.compile(pattern)
        assert not re.search(r"\(\?|\\[dwDWbZA1-9]", pattern), where


def test_unknown_properties_warn_in_evidence_pass_upstream_and_fail_in_configuration() -> None:
    for name in sorted(UPSTREAM):
        objects = [n for _, n in subschemas(SCHEMAS[name]) if "properties" in n]
        assert all(node["additionalProperties"] is True for node in objects), name
        assert engines(name, strict=True).accept({"producer": {"any": "thing"}}), name
    for name in sorted(OWN):
        objects = [n for _, n in subschemas(SCHEMAS[name]) if "properties" in n]
        assert not any("additionalProperties" in node for node in objects), name
        minimal = {"schema_version": "1.0", "incident_id": "INC-1"}
        assert engines(name, strict=True).accept({**minimal, "x-note": 1}), name
        assert engines(name).accept({**minimal, "note": 1}), name
        assert not engines(name, strict=True).accept({**minimal, "note": 1}), name
    assert engines("policy").accept({"x-note": 1})
    assert not engines("policy").accept({"note": 1})


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_complete_example_is_accepted(path: Path) -> None:
    value = read(path)
    for strict in (False, True):
        assert engines(path.stem, strict=strict).accept(value)
    assert schema.problems(path.stem, value) == ()
    assert schema.unknown_properties(path.stem, value) == ()


def test_complete_example_has_every_file_that_a_schema_describes() -> None:
    given = {path.stem for path in EXAMPLES}
    assert given == (OWN | UPSTREAM) - {"alert-tuning-feedback"}


def test_protocol_fits_its_schema() -> None:
    assert engines("protocol", strict=True).accept(protocol.load().data)


def leaves(value: Any, pointer: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, child in items:
            yield from leaves(child, (*pointer, key))
    else:
        yield pointer


def replaced(value: Any, pointer: tuple[str | int, ...], new: Any) -> Any:
    changed = copy.deepcopy(value)
    target = changed
    for key in pointer[:-1]:
        target = target[key]
    target[pointer[-1]] = new
    return changed


IDENTITY = {"$schema", "schema_version", "incident_id", "id"}
CHOICES = {
    *("approval", "state", "category", "status", "verdict", "purpose", "outcome", "kind"),
    *("result", "name", "from", "to", "required", "critical", "file"),
    *("at", "precision"),  # of a time: it is the whole time that is not known
}


@pytest.mark.parametrize("name", sorted((OWN | UPSTREAM) - {"alert-tuning-feedback"}))
def test_whatever_may_be_unknown_can_be_said_to_be(name: str) -> None:
    value = read(RECORD / f"{name}.json")
    both = engines(name, strict=True)
    for pointer in leaves(value):
        if pointer[-1] not in IDENTITY | CHOICES:
            assert both.accept(replaced(value, pointer, "N/A: not published")), pointer


@pytest.mark.parametrize("name", sorted(OWN))
def test_a_file_may_grow(name: str) -> None:
    started = {"schema_version": "1.0", "incident_id": "INC-2026-0042"}
    assert engines(name, strict=True).accept(started)
    assert not engines(name).accept({"schema_version": "1.0"})
    lists: dict[str, list[Any]] = {
        key: []
        for key, node in SCHEMAS[name]["properties"].items()
        if node.get("type") == "array" or "anyOf" in node
    }
    lists.pop("alert_improvements", None)
    lists.pop("performance_degradation", None)
    lists.pop("stability_window", None)
    assert engines(name, strict=True).accept({**started, **lists})


EXECUTION = ("mitigation-execution-report", ("executions", 0))
REFUSED: list[tuple[str, tuple[str | int, ...], Any]] = [
    (EXECUTION[0], (*EXECUTION[1], "started_at"), "2026-03-14T02:25:00"),
    (EXECUTION[0], (*EXECUTION[1], "started_at"), "2026-03-14 02:25:00Z"),
    (EXECUTION[0], (*EXECUTION[1], "started_at"), "2026-03-14T02:25Z"),
    (EXECUTION[0], (*EXECUTION[1], "started_at"), "2026-02-30T02:25:00Z"),
    (EXECUTION[0], (*EXECUTION[1], "started_at"), "2026-03-14T24:00:00Z"),
    (EXECUTION[0], (*EXECUTION[1], "started_at"), "2026-03-14t02:25:00z"),
    (EXECUTION[0], (*EXECUTION[1], "started_at"), "2026-06-30T23:59:60Z"),
    (EXECUTION[0], (*EXECUTION[1], "started_at"), "0026-03-14T02:25:00Z"),
    (EXECUTION[0], (*EXECUTION[1], "started_at"), "2026-03-14T02:25:00Z\n"),
    (EXECUTION[0], (*EXECUTION[1], "started_at"), "02:25 UTC"),
    (EXECUTION[0], (*EXECUTION[1], "started_at"), "N/A"),
    (EXECUTION[0], (*EXECUTION[1], "started_at"), "N/A: ?"),
    (EXECUTION[0], (*EXECUTION[1], "started_at"), 1773455100),
    (EXECUTION[0], (*EXECUTION[1], "started_at"), None),
    (EXECUTION[0], (*EXECUTION[1], "started_at"), {"precision": "minute"}),
    (EXECUTION[0], (*EXECUTION[1], "started_at"), {"at": "2026-03-14T02:25:00"}),
    (
        EXECUTION[0],
        (*EXECUTION[1], "started_at"),
        {"at": "2026-03-14T02:25:00Z", "precision": "about"},
    ),
    (EXECUTION[0], (*EXECUTION[1], "outcome"), "success"),
    (EXECUTION[0], (*EXECUTION[1], "exit_code"), "0"),
    (EXECUTION[0], (*EXECUTION[1], "exit_code"), 0.5),
    (EXECUTION[0], (*EXECUTION[1], "services"), "api"),
    (EXECUTION[0], (*EXECUTION[1], "operator"), "Sam"),
    (EXECUTION[0], (*EXECUTION[1], "operator"), {"role": "operator"}),
    (EXECUTION[0], (*EXECUTION[1], "operator"), {"name": "Sam", "role": "Lead Operator"}),
    (EXECUTION[0], (*EXECUTION[1], "command"), " "),
    (EXECUTION[0], (*EXECUTION[1], "id"), "E 1"),
    (EXECUTION[0], (*EXECUTION[1], "id"), "E-1\n"),
    (EXECUTION[0], (*EXECUTION[1], "output_file"), {"path": "/etc/passwd"}),
    (EXECUTION[0], (*EXECUTION[1], "output_file"), {"path": "attachments/../../secret"}),
    (EXECUTION[0], ("executions",), {}),
    (EXECUTION[0], ("executions",), [{"id": "E-1"}] * 1001),
    (EXECUTION[0], ("incident_id",), "../INC-2026-0042"),
    (EXECUTION[0], ("schema_version",), "2.0"),
    ("severity-assessment", ("classifications", 0, "severity"), 1),
    ("decision-log", ("decisions", 0, "approvals", 0, "verdict"), "approved"),
    ("decision-log", ("decisions", 0, "approvals", 0, "option_sha256"), "56B3"),
    ("prerequisites", ("regulated_data",), "no"),
    ("prerequisites", ("approvals", 0, "approval"), "cto_approval"),
    ("rca-manifest", ("items", 0, "kind"), "screenshot"),
    ("resolution-summary", ("status",), "done"),
    ("resolution-summary", ("durations", 0, "value"), "27 minutes"),
    ("resolution-summary", ("durations", 0, "value"), "P1M"),
    ("resolution-summary", ("durations", 0, "value"), "PT"),
    ("resolution-summary", ("action_items", 0, "due_date"), "2026-02-30"),
    ("resolution-summary", ("action_items", 0, "tracker_url"), "javascript:alert(1)"),
    ("alert-test-results", ("routes", 0, "latency_seconds"), -1),
    ("alert-test-results", ("routes", 0, "result"), "green"),
]


@pytest.mark.parametrize(("name", "pointer", "wrong"), REFUSED)
def test_refused_by_both(name: str, pointer: tuple[str | int, ...], wrong: Any) -> None:
    value = read(RECORD / f"{name}.json")
    changed = replaced(value, pointer, wrong)
    for strict in (False, True):
        assert not engines(name, strict=strict).accept(changed)
    assert schema.problems(name, changed)


WHO = {"name": "Alex", "role": "incident_commander"}
WAIVER = {
    "kind": "waiver",
    "rule": "REC003",
    "incident": "INC-2026-0042",
    "reason": "The refund provider has an outage of its own.",
    "requested_by": {"name": "Sam", "role": "operator"},
    "approved_by": [WHO],
    "approved_at": "2026-03-14T02:50:00Z",
    "expires_at": "2026-04-14T00:00:00Z",
    "compensating_control": "Refunds are watched by hand.",
}


def waivers(*entries: Any) -> dict[str, Any]:
    return {"schema_version": "1.0", "incident_id": "INC-2026-0042", "entries": list(entries)}


def test_waivers() -> None:
    both = engines("waivers", strict=True)
    assert both.accept(waivers(WAIVER))
    assert both.accept({**waivers(), "schema_version": 1.0})
    assert both.accept(waivers({"kind": "waiver", "rule": "REC003"}))
    assert both.accept(waivers({"kind": "deviation", "rule": "MIT004", "why": "No one answered."}))
    assert not both.accept(waivers({**WAIVER, "why": "belongs to a deviation"}))
    assert not both.accept(waivers({**WAIVER, "kind": "exception"}))
    assert not both.accept(waivers({**WAIVER, "expires_at": "2026-04-14"}))
    assert not both.accept(waivers({**WAIVER, "approved_by": WHO}))
    assert not both.accept(waivers({**WAIVER, "approved_by": [{**WHO, "team": "sre"}]}))
    assert not both.accept(waivers({"kind": "waiver"}))
    assert not both.accept(waivers({"rule": "REC003"}))


@pytest.mark.parametrize(
    "settings",
    [
        {"thresholds": {"recovery_pass_rate": 95}},
        {"thresholds": {"notification_minutes": -1}},
        {"thresholds": {"notification_minutes": {"SEV-4": 5}}},
        {"severity_aliases": {"P1": "critical"}},
        {"extends": "/etc/incident-gates.yaml"},
        {"roots": ["../other"]},
        {"people": [{"handles": ["@alex"]}]},
        {"standing_approvals": [{"id": "rollback-api", "runbook": "docs/rollback.md"}]},
        {"documentation_elements": [{"id": "a", "label": "A", "file": "a.md"}]},
        {
            "documentation_elements": [
                {"id": "a", "label": "A", "file": "a.md", "value": "b", "section": ["A"]}
            ]
        },
    ],
)
def test_policy_refuses(settings: dict[str, Any]) -> None:
    assert not engines("policy").accept(settings)


def test_policy_with_every_key_is_accepted() -> None:
    every = {key: node["examples"][0] for key, node in SCHEMAS["policy"]["properties"].items()}
    assert engines("policy").accept(every)
    assert engines("policy").accept({})


def test_report_has_one_shape() -> None:
    every = {key: node["examples"][0] for key, node in SCHEMAS["report"]["properties"].items()}
    both = engines("report")
    assert both.accept(every)
    for key in SCHEMAS["report"]["required"]:
        assert not both.accept({k: v for k, v in every.items() if k != key}), key
    assert not both.accept({**every, "verdict": "waived"})
    assert not both.accept({**every, "extra": 1})
