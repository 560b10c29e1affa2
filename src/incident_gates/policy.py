"""The repository's settings laid over the protocol: flags win over policy, policy over protocol."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from incident_gates import schema
from incident_gates.errors import PolicyError
from incident_gates.evidence import bounds, files, strict_yaml, times
from incident_gates.evidence.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from incident_gates.evidence.times import Time
    from incident_gates.protocol import Protocol, Severity

NAME = ".incident-gates.yaml"
MAX_EXTENDS = 4
# Every approval that one file can hold has a name of its own.
_MANY: Final = 16_384


class Policy(NamedTuple):
    """A policy file as read: its settings, where it stands, and its digest."""

    data: Mapping[str, Any] = MappingProxyType({})
    path: str | None = None
    sha256: str | None = None


def _from_disk(path: Path) -> bytes:
    return files.read(path, bounds.YAML_BYTES)


def read(path: Path, load: Callable[[Path], bytes] = _from_disk) -> Policy:
    """Reads a policy and what it extends; raises PolicyError with one sentence.

    ``load`` gives the bytes of a file, from elsewhere than the disk where a commit is asked.
    """
    data: dict[str, Any] = {}
    digests: list[str] = []
    current = path
    for _ in range(MAX_EXTENDS):
        layer, digest = _layer(current, load)
        data = _merge(layer, data)
        digests.append(digest)
        if "extends" not in layer:
            joined = "".join(digests).encode()
            whole = digest if len(digests) == 1 else hashlib.sha256(joined).hexdigest()
            return Policy(data, path.as_posix(), whole)
        current = current.parent / layer["extends"]
    raise PolicyError(f"{path}: extends more than {MAX_EXTENDS - 1} files in a row.")


def _layer(path: Path, load: Callable[[Path], bytes]) -> tuple[dict[str, Any], str]:
    try:
        raw = load(path)
        layer = strict_yaml.parse(files.decode(raw))
    except Refusal as refusal:
        where = f"{path}:{refusal.line}" if refusal.line else str(path)
        raise PolicyError(f"{where}: {refusal.what} {refusal.fix}".strip()) from refusal
    for problem in schema.problems("policy", layer.value):
        line = _line_of(layer, problem)
        raise PolicyError(f"{path}:{line}: {problem.message.rstrip('.?')}.")
    return layer.value, files.digest(raw)


def _line_of(layer: strict_yaml.Yaml, problem: schema.Problem) -> int:
    """The line of a problem; of an unknown key, which the message names, the key's own."""
    for pointer, (line, _) in layer.marks.items():
        inside = bool(pointer) and pointer[:-1] == problem.pointer
        if inside and f" {pointer[-1]}" in problem.message.split(";")[0]:
            return line
    return layer.marks.get(problem.pointer, (1, 1))[0]


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Settings of ``over`` win; mappings are merged one level deep, lists are replaced."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            merged[key] = {**below, **value}
        else:
            merged[key] = value
    return merged


class Limits:
    """What the rules measure against: the protocol, the policy over it, the flags over both."""

    def __init__(
        self,
        protocol: Protocol,
        policy: Policy | None = None,
        flags: Mapping[str, float] | None = None,
        *,
        flags_tighten_only: bool = False,
    ) -> None:
        self.protocol = protocol
        self.policy = policy or Policy()
        self.flags = flags or {}
        self.flags_tighten_only = flags_tighten_only

    def threshold(self, name: str, severity: str = "") -> float:
        """The value in force of a threshold of the protocol, in the unit named there."""
        entry = self.protocol.data["thresholds"][name]
        value = self._policy_threshold(name, severity)
        own = float(entry["value"] if value is None else value)
        flag = self.flags.get(name)
        if flag is None or (self.flags_tighten_only and looser(entry, flag, own)):
            return own
        return flag

    def _policy_threshold(self, name: str, severity: str = "") -> float | None:
        """What the policy says of a threshold; the loosest where no severity is named."""
        value: Any = self._section("thresholds").get(name, self.policy.data.get(name))
        if name == "break_glass_minutes":
            value = self._section("break_glass").get("approve_within_minutes")
        if isinstance(value, dict):
            value = value.get(severity) if severity else max(value.values(), default=None)
        return None if value is None else float(value)

    def _section(self, name: str) -> Mapping[str, Any]:
        section: Mapping[str, Any] = self.policy.data.get(name, {})
        return section

    def looser_than_protocol(self) -> list[str]:
        """Settings that ask for less than the protocol, one sentence each, for the reports."""
        said = []
        for name, entry in self.protocol.data["thresholds"].items():
            severities = (
                tuple(self.protocol.severities) if name == "notification_minutes" else ("",)
            )
            values = {self.threshold(name, severity) for severity in severities}
            worst = max(values) if entry["comparison"] == "<=" else min(values)
            if looser(entry, worst, entry["value"]):
                said.append(
                    f"{name} is {worst:g} {entry['unit']}; the protocol asks {entry['value']:g}."
                )
        return said

    def severity(self, name: str) -> Severity | None:
        """The floors for a severity, after the policy's aliases; None where it is unknown."""
        known, aliases = self._severities
        folded = name.strip().casefold()
        wanted = str(aliases.get(folded, folded)).casefold()
        # The protocol's own names mean what the protocol says, whatever an alias claims.
        return (
            known.get(folded)
            or known.get(wanted)
            or known.get(wanted.replace("sev", "sev-").replace("--", "-"))
        )

    @cached_property
    def _severities(self) -> tuple[dict[str, Severity], dict[str, Any]]:
        """The protocol's severities and the policy's aliases, folded."""
        aliases = self.policy.data.get("severity_aliases", {})
        known = {key.casefold(): value for key, value in self.protocol.severities.items()}
        return known, {key.casefold(): value for key, value in aliases.items()}

    def audiences(self, severity: Severity) -> tuple[str, ...]:
        """Who must be told at that severity: the protocol's audiences and the policy's."""
        added = self.policy.data.get("audiences", {}).get(severity.name, ())
        return (*severity.audiences, *(a for a in added if a not in severity.audiences))

    def update_minutes(self, severity: Severity) -> float | None:
        """The longest silence towards the audiences at that severity, in minutes."""
        minutes = self.policy.data.get("update_minutes", {}).get(severity.name)
        return severity.update_minutes if minutes is None else float(minutes)

    def max_age_days(self, name: str) -> float | None:
        """How old an input may be when the incident is declared, in days; None: any age."""
        own = self.policy.data.get("max_age_days", {}).get(name)
        age = self.protocol.data["prerequisites"]["max_age_days"].get(name) if own is None else own
        return None if age is None else float(age)

    def break_glass_severities(self) -> tuple[str, ...]:
        """The severities at which an emergency may be approved afterwards."""
        own = self.policy.data.get("break_glass", {}).get("severities")
        return tuple(self.protocol.data["break_glass_severities"] if own is None else own)

    def standing_approval(self, approval_id: str) -> Mapping[str, Any] | None:
        """The policy's standing approval of that id."""
        entries = self.policy.data.get("standing_approvals", ())
        return next((entry for entry in entries if entry["id"] == approval_id), None)

    def standing(self, section: str) -> Sequence[Mapping[str, Any]]:
        """What the policy verified or wrote in advance, to be cited: states, readiness, options."""
        entries: Sequence[Mapping[str, Any]] = self._section("standing").get(section, ())
        return entries

    def cited_until(self, reference: str, stated: Time | None) -> Time | None:
        """Until when something cited holds: as the record states, or earlier if the policy says so.

        An entry that was renewed since holds longer, and does not make what was cited last longer.
        """
        named = _CITED.search(reference)
        entries = self.standing(named["section"]) if named else ()
        ends = [times.parse(e["expires_at"]) for e in entries if named and e["id"] == named["id"]]
        known = [end for end in (stated, *ends) if end]
        return min(known, key=lambda end: end.latest) if stated else None

    @cached_property
    def _identities(self) -> dict[str, str]:
        """Every name and handle that the policy knows, folded, to one canonical name."""
        people = self.policy.data.get("people", ())
        alike = Counter(fold(person["name"]) for person in people)
        found: dict[str, str] = {}
        for person in people:
            own = fold(person["name"])
            # Two people whom only accents tell apart are two, if the policy lists both.
            own = own if alike[own] == 1 else _exact(person["name"])
            for alias in (person["name"], *person.get("handles", ()), *person.get("git", ())):
                found |= {fold(alias): own, _exact(alias): own}
        return found

    def identity(self, name: str) -> str:
        """One spelling for a person, however the record writes the name, handle or address."""
        compared = name[: bounds.NAME_CHARS]
        whole, own = _spellings(compared)
        known = self._identities
        return known.get(_exact(compared)) or known.get(whole) or known.get(own, own)

    def knows(self, name: str) -> bool:
        """Whether the policy lists someone; one that lists nobody has nothing against anyone."""
        return not self._identities or self.identity(name) in self._identities.values()

    def holders(self, role: str) -> frozenset[str] | None:
        """The people to whom the policy gives a role; None where it gives it to nobody."""
        people = self.policy.data.get("people", ())
        named = {self.identity(p["name"]) for p in people if role in p.get("roles", ())}
        return frozenset(named) or None

    @property
    def history(self) -> str:
        """Whether git is asked about each record: ``off``, ``report`` or ``required``."""
        return str(self.policy.data.get("history", "off"))

    @property
    def allowed_signers(self) -> tuple[str, ...]:
        """The keys by which a platform signs the commits that it dates itself."""
        return tuple(self.policy.data.get("allowed_signers", ()))

    def committer(self, name: str, email: str) -> tuple[str, bool]:
        """Who a commit's name and address are, and whether the policy says so itself."""
        handle = re.match(_NO_REPLY, email)
        for alias in (email, handle[1] if handle else "", name):
            known = self._identities
            person = known.get(_exact(alias)) or known.get(fold(alias))
            if alias and person:
                return person, True
        return fold(handle[1] if handle else name), False

    @property
    def documentation_elements(self) -> list[dict[str, Any]]:
        """The elements that gate 4 counts: the protocol's and the policy's own."""
        own = self.policy.data.get("documentation_elements", ())
        return [*self.protocol.data["documentation_elements"], *own]


def looser(entry: Mapping[str, Any], value: float, than: float) -> bool:
    """Whether a threshold's value asks for less than another."""
    return value > than if entry["comparison"] == "<=" else value < than


@lru_cache(maxsize=_MANY)
def _exact(name: str) -> str:
    """A name with its accents: what tells two people of the policy apart."""
    return " ".join(unicodedata.normalize("NFKC", name[: bounds.NAME_CHARS]).casefold().split())


@lru_cache(maxsize=_MANY)
def fold(name: str) -> str:
    """A name as people compare it: letters and digits alone.

    Case, width, accents, punctuation, the order of "Kim, Alex", what stands in brackets, letters
    of another alphabet that look the same and characters that nobody sees make no other person.
    """
    bare = _BRACKETED.sub(" ", _without_accents(name[: bounds.NAME_CHARS]))
    plain = _LAST_NAME_FIRST.sub(r"\2 \1", bare.strip())
    seen = "".join(c if _spoken(c) else "" if _unseen(c) else " " for c in plain)
    alike = seen.translate(_LOOK_ALIKE)
    return " ".join((alike if alike.isascii() else seen).casefold().split())


@lru_cache(maxsize=_MANY)
def _spellings(name: str) -> tuple[str, str]:
    """A name as people compare it, and the same without the domain of an address."""
    return fold(name), fold(_ADDRESS.sub(r"\1", name.strip()))


def _without_accents(name: str) -> str:
    apart = unicodedata.normalize("NFKD", name)
    return unicodedata.normalize("NFKC", _ACCENTS.sub("", apart))


def _spoken(character: str) -> bool:
    """A letter or digit, or the vowel sign of a script that writes vowels as marks."""
    if character.isalnum():
        return True
    name = unicodedata.name(character, "")
    return "VOWEL SIGN" in name or "THAI CHARACTER" in name


def _unseen(character: str) -> bool:
    return unicodedata.category(character) in ("Cf", "Cc", "Mn", "Me") or character in _FILLERS


# The address that GitHub gives to whoever keeps theirs private holds the handle.
_NO_REPLY = r"(?a:\d+\+)?([^@+]+)@users\.noreply\.github\.com\Z"

_CITED = re.compile(r"standing\.(?P<section>system_states|readiness)\.(?P<id>[\w.-]*\w)", re.ASCII)
_FILLERS = "\u115f\u1160\u3164\uffa0"
_BRACKETED = re.compile(r"[(\[{<][^)\]}>]*[)\]}>]?")
# Looked for where a word begins alone: from everywhere, a long name takes the square of its length.
_LAST_NAME_FIRST = re.compile(r"(?<![^,])([^,]+),\s*([^,]+)\Z")
_ADDRESS = re.compile(r"(?<![^@\s])([^@\s]+)@[^@\s]+\.[^@\s]+\Z")
_ACCENTS = re.compile("[\u0300-\u036f]")
# Letters of Cyrillic and Greek, and the Latin ones that nobody can tell from them. A name is taken
# for a Latin one only if all of it can be read so, so that Cyrillic names stay what they are.
_LOOK_ALIKE = str.maketrans(
    "АВЕЅІЈКМНОРСТУХаеѕіјорсухһԁԛԝӏΑΒΕΖΗΙΚΜΝΟΡΤΥΧαινορυχıɑɡ",
    "ABESIJKMHOPCTYXaesijopcyxhdqwlABEZHIKMNOPTYXaivopuxiag",
)
