"""Lets a payload in: its bytes within bounds, its kind told from what it holds."""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from incident_gates.desk.imports import values
from incident_gates.errors import UsageError
from incident_gates.evidence import bounds, files, strict_json, strict_yaml
from incident_gates.evidence.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from incident_gates.desk.imports.claims import Claims

STDIN: Final = "-"
XML: Final = "junit"
KINDS: Final = Path(__file__).with_name("kinds.yaml")
_DIGITS: Final = 12


class Payload(NamedTuple):
    """What was handed in, byte for byte, and what it claims."""

    kind: str
    name: str
    data: bytes
    claims: Claims

    @property
    def sha256(self) -> str:
        """The digest of the bytes."""
        return files.digest(self.data)

    @property
    def path(self) -> str:
        """Where the record keeps it."""
        ending = "xml" if self.kind == XML else "json"
        return f"sources/{self.kind}-{self.sha256[:_DIGITS]}.{ending}"

    @property
    def source(self) -> str:
        """What the source is called."""
        return str(kinds()[self.kind]["name"])


@lru_cache(maxsize=1)
def kinds() -> Mapping[str, Mapping[str, Any]]:
    """The sources that can be imported, as ``kinds.yaml`` lists them."""
    listed: dict[str, Any] = strict_yaml.parse(KINDS.read_text(encoding="utf-8")).value
    return listed


def opened(written: str, wanted: Iterable[str] = ()) -> Payload:
    """A payload from ``FILE``, ``KIND=FILE`` or ``-``; of the kinds ``wanted`` if some are named.

    Raises UsageError with one sentence where it is not what it is said to be.
    """
    told, name = _split(written)
    shown = "Standard input" if name == STDIN else values.plain(name, 200)
    data = _bytes(name, shown)
    kind, value = _recognised(told, data, shown)
    if wanted and kind not in wanted:
        raise UsageError(f"{shown} is {kinds()[kind]['what']}; here it must be {_either(wanted)}.")
    return Payload(kind, shown, data, read(kind, value, data, shown))


def read(kind: str, value: Any, data: bytes, shown: str) -> Claims:
    """What a payload of a kind claims."""
    module = import_module(f"incident_gates.desk.imports.{kind.replace('-', '_')}")
    try:
        claims: Claims = module.read(data if kind == XML else value)
    except UsageError as error:
        raise UsageError(f"{shown} cannot be imported: {error}.") from None
    return claims


def parsed(kind: str, data: bytes) -> Any:
    """The object that a JSON payload holds; nothing for one in XML."""
    return None if kind == XML else strict_json.parse(files.decode(data))


def _split(written: str) -> tuple[str, str]:
    """The kind that was named before ``=``, if any, and the file."""
    kind, equals, name = written.partition("=")
    if equals and kind in kinds():
        return kind, name
    if equals and not Path(written).exists():
        known = ", ".join(kinds())
        raise UsageError(f"{values.plain(kind, 60)} is no kind that can be imported: {known}.")
    return "", written


def _bytes(name: str, shown: str) -> bytes:
    try:
        return _standard_input() if name == STDIN else files.read(Path(name), bounds.FILE_BYTES)
    except Refusal as refusal:
        raise UsageError(f"{shown}: {refusal.what}.") from None


def _standard_input() -> bytes:
    data = sys.stdin.buffer.read(bounds.FILE_BYTES + 1)
    if len(data) > bounds.FILE_BYTES:
        size = bounds.FILE_BYTES // bounds.MIB
        raise Refusal(f"there is more than {size} MiB", "Cut it down.")
    return data


def _recognised(told: str, data: bytes, shown: str) -> tuple[str, Any]:
    xml = data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    if xml and told in ("", XML):
        return XML, None
    value = None if xml else _object(data, shown)
    fitting = [kind for kind in kinds() if value is not None and fits(kind, value)]
    if told in fitting:
        return told, value
    if told:
        like = XML if xml else next(iter(fitting), "")
        but = f": it looks like {kinds()[like]['what']}" if like else ""
        raise UsageError(f"{shown} is not {kinds()[told]['what']}{but}.")
    if len(fitting) != 1:
        raise UsageError(f"{shown} {_unclear(fitting)}")
    return fitting[0], value


def _object(data: bytes, shown: str) -> dict[str, Any]:
    try:
        return strict_json.parse(files.decode(data))
    except Refusal as refusal:
        where = f"{shown}:{refusal.line}" if refusal.line else shown
        raise UsageError(f"{where}: {refusal.what}.") from None


def fits(kind: str, value: dict[str, Any]) -> bool:
    """Whether a payload has the keys by which a kind is known."""
    entry = kinds()[kind]
    lacks = any(values.at(value, *key.split(".")) is not None for key in entry.get("lacks", ()))
    return not lacks and any(
        all(values.at(value, *key.split(".")) is not None for key in line)
        for line in entry["holds"]
    )


def _unclear(fitting: list[str]) -> str:
    if fitting:
        said = f"could be {_either(fitting)}: say which with --from {fitting[0]}=FILE"
        return f"{said}."
    return f"is nothing that can be imported: neither {_either(kinds(), ', nor ')}."


def _either(names: Iterable[str], between: str = ", or ") -> str:
    return between.join(str(kinds()[name]["what"]) for name in names)
