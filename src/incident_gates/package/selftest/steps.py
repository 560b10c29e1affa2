"""Carries out one step of a mutation: the few verbs of the table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from incident_gates.package.selftest import lines, pointers, special
from incident_gates.package.selftest.state import NotApplicable
from incident_gates.package.selftest.values import moved

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from incident_gates.package.selftest.state import Files
    from incident_gates.package.selftest.values import Values

Step = dict[str, Any]
PLURAL: Final = "all"


def carry_out(step: Step, files: Files, values: Values) -> None:
    """Changes the files as one step says; raises NotApplicable."""
    try:
        _verb(step)(_plain(step, values), files, values)
    except NotApplicable:
        if not step.get("maybe"):
            raise


def _plain(step: Step, values: Values) -> Step:
    """A step with its names filled in, but for what each of several copies says for itself."""
    own = {key: step[key] for key in ("append",) if key in step}
    rest = {key: value for key, value in step.items() if key not in own}
    return {**values.filled(rest), **own}


def _verb(step: Step) -> Callable[[Step, Files, Values], None]:
    if "at" in step:
        return _in_json
    for key, verb in _VERBS.items():
        if key in step:
            return verb
    raise ValueError(f"no verb in {step}")


# --- JSON ----------------------------------------------------------------------------------------


def _in_json(step: Step, files: Files, values: Values) -> None:
    name = step["file"]
    if not files.has(name) and "create" in step:
        files.write_data(name, step["create"])
    top = files.data(name)
    places = pointers.found(top, step["at"], new="set" in step or "create" in step)
    for spot in reversed(places if step.get(PLURAL) else places[:1]):
        _at(spot, step, values)
    files.write_data(name, top)


def _at(spot: pointers.Spot, step: Step, values: Values) -> None:
    if step.get("delete"):
        spot.remove()
    elif step.get("duplicate"):
        pointers.duplicated(spot)
    elif "shift" in step:
        sign, length = re.fullmatch(r"([+-])(P\w+)", step["shift"]).groups()  # type: ignore[union-attr]
        spot.put(f"{moved(spot.value, sign, length):%Y-%m-%dT%H:%M:%SZ}")
    elif "append" in step:
        if not isinstance(spot.value, list):
            spot.put([])
        times = step.get("times", 1)
        spot.value.extend(values.filled(step["append"], n=n) for n in range(1, times + 1))
    else:
        spot.put(step["set"])


# --- Markdown ------------------------------------------------------------------------------------


def _in_lines(step: Step, files: Files, _: Values) -> None:
    text, name = files.text(step["file"]), step["file"]
    about = {"clock": step.get("about", ""), "last": bool(step.get("last"))}
    about["under"] = step.get("under", "")
    found = lines.matching(text, _pattern(step), **about)
    numbers = found if step.get(PLURAL) else found[:1]
    if "cells" in step:
        made = lines.with_cells(text, numbers[0], step["cells"])
    else:
        made = lines.changed(text, numbers, lambda line: _line(line, step))
    files.write(name, made.encode())


def _pattern(step: Step) -> str:
    return lines.ENTRY if step["line"] == "entry" else str(step["line"])


def _line(line: str, step: Step) -> str | None:
    if step.get("delete"):
        return None
    if step.get("duplicate"):
        return f"{line}\n{line}"
    if "time" in step:
        return lines.timed(line, step["time"])
    if "below" in step:
        return f"{line}\n{step['below']}"
    return re.sub(step["sub"][0], lambda _: str(step["sub"][1]), line, count=1)


def _section(step: Step, files: Files, _: Values) -> None:
    made = lines.without_section(files.text(step["file"]), step["section"])
    files.write(step["file"], made.encode())


# --- files ---------------------------------------------------------------------------------------


def _drop(step: Step, files: Files, _: Values) -> None:
    files.drop(step["drop"])


def _write(step: Step, files: Files, _: Values) -> None:
    if step.get("there"):
        files.read(step["write"])
    if "data" in step:
        files.write_data(step["write"], step["data"])
    else:
        files.write(step["write"], step["text"].encode())


def _halve(step: Step, files: Files, _: Values) -> None:
    data = files.read(step["halve"])
    files.write(step["halve"], data[: len(data) // 2])


def _add(step: Step, files: Files, _: Values) -> None:
    data = files.read(step["file"])
    files.write(step["file"], data + bytes.fromhex(step["add"]))


def _restore(step: Step, files: Files, _: Values) -> None:
    files.restore(step["restore"])


def _only(step: Step, _: Files, values: Values) -> None:
    """Goes on only for records of which a fact is one of the values."""
    fact = values.of(step["only"])
    if fact not in step["in"]:
        raise NotApplicable(step.get("else") or f"its {step['only']} is {fact}")


def _call(step: Step, files: Files, values: Values) -> None:
    special.CALLS[step["call"]](files, values, step)


_VERBS: dict[str, Callable[[Step, Files, Values], None]] = {
    "line": _in_lines,
    "section": _section,
    "drop": _drop,
    "write": _write,
    "halve": _halve,
    "add": _add,
    "restore": _restore,
    "only": _only,
    "call": _call,
}


def touched(steps: list[Mapping[str, Any]]) -> set[str]:
    """The files that steps name."""
    keys = ("file", "drop", "write", "halve")
    return {str(step[key]) for step in steps for key in keys if key in step}
