"""A record's custody: what its seal and what git say of it, each asked once and only if needed."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import ref

from incident_gates import amendments as entries
from incident_gates import facts, history, recorded
from incident_gates import seal as seals
from incident_gates.chain import once
from incident_gates.evidence import files, markdown
from incident_gates.evidence.history import verified
from incident_gates.evidence.refusal import Refusal
from incident_gates.seal import Difference, Differences

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from incident_gates.amendments import Amendment
    from incident_gates.chain import Chain
    from incident_gates.evidence.history import Commit, Version
    from incident_gates.evidence.times import Time
    from incident_gates.history import History
    from incident_gates.model import Finding, Place
    from incident_gates.recorded import Stated
    from incident_gates.seal import Seal, Step

CONTRADICTED: Final = "contradicted"
UNSUPPORTED: Final = "unsupported"
CONSISTENT: Final = "git-consistent"
ATTESTED: Final = "platform-attested"
GRADES: Final = (CONTRADICTED, UNSUPPORTED, CONSISTENT, ATTESTED)  # worst first
PLAN: Final = "mitigation-plan.md"


class Rewritten(NamedTuple):
    """A recorded value that another commit changed or removed; ``now`` is None where it is gone."""

    file: str
    level: str
    first: Stated
    now: Stated | None
    recorded_in: Version
    rewritten_in: Version | None


class Replaced(NamedTuple):
    """A seal that git holds, and how the folder differs from it without an amendment."""

    version: Version
    seal: Seal
    found: Differences


class Told(NamedTuple):
    """What the rules about custody said when git could be asked; it stands in for asking again.

    ``left`` says of each rule that did not run why not.
    """

    asked: bool
    known: bool
    findings: tuple[Finding, ...]
    left: Mapping[str, str]
    corroborated: tuple[str, ...]
    not_verified: tuple[str, ...]


class Custody:
    """What is known of one record. Nothing is read before a rule asks for it."""

    def __init__(self, chain: Chain) -> None:
        self.record = chain.record
        self.limits = chain.limits
        self.asked = chain.history
        self._chain = ref(chain)
        self._settings = chain.limits.protocol.data["custody"]
        self.refusal: Refusal | None = None
        self.told: Told | None = None
        self._plans: dict[str, dict[str, str]] = {}
        self._stated: dict[str, dict[tuple[str, ...], Stated]] = {}

    # --- the seal ---

    @cached_property
    def seal(self) -> Seal | None:
        """The seal in the folder; None where there is none, or none that can be read."""
        try:
            return seals.read(self.record)
        except Refusal as refusal:
            self.refusal = refusal.without_trace()
            return None

    @cached_property
    def amendments(self) -> tuple[Amendment, ...]:
        """Every amendment, whether or not it counts."""
        chain = self._chain()
        return entries.read(chain) if chain else ()

    @cached_property
    def now(self) -> dict[str, Difference]:
        """Every file that a seal could hold, digested once."""
        try:
            return seals.digests(self.record)
        except Refusal as refusal:
            self.refusal = refusal.without_trace()
            return {}

    @cached_property
    def differences(self) -> Differences:
        """How the folder differs from its seal, amended or not."""
        if self.seal is None or not self.seal.sealed or (not self.now and self.refusal):
            return Differences()
        return seals.compared(self.now, self.seal, self.record.protocol)

    @cached_property
    def uncovered(self) -> Differences:
        """How the folder differs from its seal beyond what was amended."""
        settled = self.seal.settled if self.seal else frozenset()
        return seals.unexplained(self.differences, self.steps(settled))

    def steps(self, settled: frozenset[str] = frozenset()) -> list[Step]:
        """What the amendments that count change."""
        counting = (a for a in self.amendments if not a.why_not and a.id not in settled)
        return [step for amendment in counting for step in amendment.steps]

    # --- git ---

    @cached_property
    def history(self) -> History:
        """What git knows; asked for only where somebody wants it."""
        return history.of(self.record, history.repository_of(self.record))

    @property
    def known(self) -> bool:
        """Whether history was asked for and is known."""
        if self.told:
            return self.told.known
        return bool(self.asked) and self.history.known

    @property
    def why_not(self) -> str:
        """Why git was not asked, or could not answer."""
        return self.history.why_not if self.asked else "history was not asked for"

    @property
    def not_verified(self) -> tuple[str, ...]:
        """What was asked of git and could not be told, in words."""
        if self.told:
            return self.told.not_verified
        if self.asked and not self.known:
            return (f"history not verified: {self.why_not}",)
        unread = sorted(self.history.unread) if self.known else []
        return tuple(f"history not verified: some versions of {name}" for name in unread)

    @property
    def borne_out(self) -> list[str]:
        """How many of the times agree with the commits that hold them, in words."""
        if self.told:
            return list(self.told.corroborated)
        if not self.known or not self.times:
            return []
        agreeing = sum(grade in (CONSISTENT, ATTESTED) for _, _, grade in self.times)
        return [f"{agreeing} of {len(self.times)} times agree with git"] if agreeing else []

    @cached_property
    def replaced(self) -> tuple[Replaced, ...]:
        """Each earlier seal that git holds and the folder does not keep, oldest first."""
        found = []
        for version in self.history.of(seals.MANIFEST):
            earlier = self._seal_of(version)
            if (
                earlier
                and earlier.sealed
                and not (self.seal and earlier.sha256 == self.seal.sha256)
            ):
                differs = seals.compared(self.now, earlier, self.record.protocol)
                found.append(Replaced(version, earlier, seals.unexplained(differs, self.steps())))
        return tuple(found)

    @property
    def named(self) -> frozenset[str]:
        """The digests of the earlier seals that the one in the folder names."""
        return frozenset(e.sha256 for e in self.seal.seals) if self.seal else frozenset()

    @cached_property
    def unnamed(self) -> tuple[Replaced, ...]:
        """Earlier seals of other evidence, all of it amended, that the seal here is silent about.

        A package that was written anew over the same evidence replaces no seal.
        """
        if self.seal is None or not self.seal.sealed:
            return ()
        kept = [r.seal.files for r in self.replaced if r.seal.sha256 in self.named]
        kept.append(self.seal.files)
        amended = (r for r in self.replaced if not r.found.changed and not r.found.missing)
        return tuple(r for r in amended if r.seal.files not in kept)

    def _seal_of(self, version: Version) -> Seal | None:
        data = self.history.content(version)
        try:
            return seals.parse(data) if data else None
        except Refusal:
            return None

    @cached_property
    def sealed_in(self) -> Version | None:
        """The first commit that holds the seal of the folder."""
        for version in self.history.of(seals.MANIFEST):
            data = self.history.content(version)
            if self.seal and data and files.digest(data) == self.seal.sha256:
                return version
        return None

    def put_back(self) -> Iterator[Version]:
        """Versions of sealed files that came after the seal, though the file is as sealed now."""
        begun = self.sealed_in
        if begun is None or self.seal is None or not self.seal.sealed:
            return
        after = self.history.after(begun.commit)
        unclean = {d.path for d in self.differences.all} | {step.path for step in self.steps()}
        for path in sorted(self.seal.files.keys() - unclean):
            at_seal = self.history.at(path, begun.commit)
            later = (v for v in self.history.of(path) if at_seal and v.blob != at_seal.blob)
            yield from (v for v in later if v.commit.sha in after)

    # --- what was recorded when ---

    @cached_property
    def _versions(self) -> dict[str, list[tuple[Version, dict[tuple[str, ...], Stated]]]]:
        """The versions of each file that is asked about, with what they state, oldest first."""
        self.history.load([PLAN, *(entry["file"] for entry in self._settings["recorded"])])
        return {
            entry["file"]: [
                (v, self._watched(self.history.content(v), set(entry["keys"])))
                for v in self.history.of(entry["file"])
            ]
            for entry in self._settings["recorded"]
        }

    @staticmethod
    def _watched(data: bytes | None, keys: set[str]) -> dict[tuple[str, ...], Stated]:
        """The times and watched values of a version; the rest is let go."""
        stated = recorded.of_bytes(data)
        return {k: s for k, s in stated.items() if keys.intersection(k[-2:]) or k[-1][-3:] == "_at"}

    def stated(self, file: str) -> dict[tuple[str, ...], Stated]:
        """What a file states now."""
        if file not in self._stated:
            value = self.record.node(file).value
            self._stated[file] = recorded.of(value) if isinstance(value, dict) else {}
        return self._stated[file]

    def first(self, file: str, stated: Stated) -> Version | None:
        """The oldest version of a file that states the same."""
        for version, held in self._versions.get(file, ()):
            same = held.get(stated.key)
            if same is not None and same.value == stated.value:
                return version
        return None

    @cached_property
    def rewritten(self) -> tuple[Rewritten, ...]:
        """Each watched value that says something else, or nothing any more, than it first did."""
        return tuple(
            found
            for entry in self._settings["recorded"]
            for found in self._rewritten_in(entry["file"], entry["level"], set(entry["keys"]))
        )

    def _rewritten_in(self, file: str, level: str, keys: set[str]) -> Iterator[Rewritten]:
        if not self.record.readable(file):
            return  # a file that is gone or broken is a finding of its own
        firsts: dict[tuple[str, ...], tuple[Version, Stated]] = {}
        for version, held in self._versions[file]:
            for key, stated in held.items():
                if keys.intersection(key[-2:]) and stated.said:
                    firsts.setdefault(key, (version, stated))
        now = self.stated(file)
        for key, (version, first) in firsts.items():
            current = now.get(key)
            if current is None or current.value != first.value:
                since = self._rewriting(file, key, first, version)
                yield Rewritten(file, level, first, current, version, since)

    def _rewriting(
        self, file: str, key: tuple[str, ...], first: Stated, after: Version
    ) -> Version | None:
        """The first commit after one in which a value is another."""
        seen = False
        for version, held in self._versions[file]:
            seen = seen or version == after
            there = held.get(key)
            if seen and held and (there is None or there.value != first.value):
                return version
        return None

    # --- grades ---

    def grade(self, place: Place, time: Time) -> str:
        """How git bears out a claimed time; the worst of those that an event is made of."""
        if self.told or not self.known:
            return ""
        below = place.pointer or ()
        claims = [
            s
            for s in self.stated(place.file).values()
            if s.pointer[: len(below)] == below and s.time
        ]
        exact = [s for s in claims if s.time and s.time.earliest == time.earliest]
        grades = {self.graded(place.file, s) for s in exact or claims}
        return next((g for g in GRADES if g in grades), UNSUPPORTED)

    def graded(self, file: str, stated: Stated) -> str:
        """The grade of one claimed time."""
        version = self.first(file, stated)
        if version is None or stated.time is None:
            return UNSUPPORTED
        committed = version.commit.committer.time
        if committed < stated.time.earliest - self.skew:
            return CONTRADICTED
        if committed > stated.time.latest + self._hours("consistent_within_hours"):
            return UNSUPPORTED
        return ATTESTED if version.commit.sha in self._attested else CONSISTENT

    @property
    def skew(self) -> timedelta:
        """How far two clocks may differ."""
        return timedelta(minutes=self._settings["clock_skew_minutes"])

    @property
    def grace(self) -> timedelta:
        """How long after closing evidence may still be committed."""
        return self._hours("committed_within_hours")

    def _hours(self, name: str) -> timedelta:
        return timedelta(hours=self._settings[name])

    @cached_property
    def _attested(self) -> frozenset[str]:
        """The commits that carry a signature of a platform which the policy lists."""
        keys = self.limits.allowed_signers
        if not keys:
            return frozenset()
        signed = [c.sha for c in self.history.commits if c.sha in self.history.signed]
        return verified(self.history.repository, signed, keys)

    @cached_property
    def times(self) -> tuple[tuple[str, Stated, str], ...]:
        """Every watched time of the record, by file, with its grade."""
        return tuple(
            (entry["file"], stated, self.graded(entry["file"], stated))
            for entry in self._settings["recorded"]
            for stated in self.stated(entry["file"]).values()
            if stated.key[-1] in entry["keys"] and stated.time
        )

    # --- people and texts ---

    def who(self, commit: Commit) -> tuple[str, bool]:
        """The author of a commit as one spelling, and whether the policy knows that identity."""
        return self.limits.committer(commit.author.name, commit.author.email)

    def option_at(self, commit: Commit, option: str) -> str:
        """The digest of an option as the plan stood when a commit was made, or ""."""
        version = self.history.at(PLAN, commit)
        return self._options(version).get(option, "") if version else ""

    def option_from(self, option: str, digest: str) -> Version | None:
        """The first version of the plan that holds an option with that digest."""
        plans = (v for v in self.history.of(PLAN) if v.blob)
        return next((v for v in plans if self._options(v).get(option) == digest), None)

    def _options(self, version: Version) -> dict[str, str]:
        if version.blob not in self._plans:
            self._plans[version.blob] = self._options_in(version)
        return self._plans[version.blob]

    def _options_in(self, version: Version) -> dict[str, str]:
        data = self.history.content(version)
        try:
            plan = markdown.parse(files.decode(data)) if data else None
        except Refusal:
            return {}
        return {option.id: option.sha256 for option in facts.options(plan)}

    # --- arrival ---

    @cached_property
    def all_at_once(self) -> Commit | None:
        """The one commit that brought all of the evidence: its author need have written none."""
        commits = {v.commit.sha: v.commit for v in self.arrivals().values()}
        return next(iter(commits.values())) if len(commits) == 1 else None

    def arrivals(self) -> dict[str, Version]:
        """The commit that first brought each file of the evidence."""
        free = seals.outside(self.record.protocol)
        brought = {p: vs[0] for p, vs in self.history.files.items() if p not in free}
        return {p: v for p, v in brought.items() if self.history.of(p)[-1].blob}


@once
def of(chain: Chain) -> Custody:
    """The custody of a record, the same one for every rule."""
    return Custody(chain)


def shown(commit: Commit) -> str:
    """A commit as people read it: short id, the date and author that it claims."""
    return (
        f"{commit.sha[:10]} of {commit.committer.time:%Y-%m-%d %H:%M} UTC by {commit.author.name}"
    )
