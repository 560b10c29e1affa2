"""Mutation testing: changes one thing in memory, and sees whether a test notices.

Usage: python bench/mutation/run.py [--again] [--only FUNCTION] [--write] [MODULE ...]

Tests are collected once, and run once to see which lines each of them reaches. Each mutant gets a
fork of that process, in which the code of one function is exchanged, and there the tests that
reach the changed line run until one fails. What stands outside of functions is exchanged by name,
or loaded anew. Nothing on the disk changes.

mutmut leaves decorated functions out, so every rule and every cached property; cosmic-ray starts
pytest anew for each mutant, which takes a second before the first test runs. Hence this one.
"""

from __future__ import annotations

import argparse
import ast
import gc
import importlib
import os
import pickle
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import coverage
import memory
import operators
import pytest
import readers
import scores
import yaml
from memory import ROOT, SOURCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Placed = tuple[Path, ast.Module, operators.Mutant]

CONFIG = yaml.safe_load(Path(__file__).with_name("config.yaml").read_text(encoding="utf-8"))
SURVIVED, KILLED, NOT_REACHED = "survived", "killed", "not reached"
# What a fork answers: all tests pass, one fails, or the change cannot be made in this way.
PASS, FAIL, UNABLE = 0, 1, 2
# A mutant may run for ever, or take all memory: then it has been noticed.
SECONDS, BYTES = 120, 3 << 30
HOUR = 3600
# Tests write small files all the time: thrice as fast where they never reach a disk.
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - each run has a folder of its own there
# What tests have in common: the rule of a case, or the function and its file.
KIND = re.compile(r"(?<!test_case)\[.*|/[^/\[]*\]\Z", re.DOTALL)
SLICE = CONFIG["seconds"] / 100
RULE = re.compile(r'^    "([A-Z]{3}[0-9]{3})",$', re.MULTILINE)


class Reached(NamedTuple):
    """What one run of all tests says: seconds of each, tests by file and line, what was loaded."""

    seconds: dict[str, float]
    tests: dict[str, dict[int, list[str]]]
    loaded: list[str]


class Runner:
    """A plugin of pytest that takes the place of its loop over the tests."""

    def __init__(self, asked: argparse.Namespace, scratch: Path) -> None:
        self.asked, self.scratch = asked, scratch
        self.failed = False
        self.noticed: Counter[str] = Counter()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Sees once which test reaches what, then tries the mutants of each module."""
        self.items = {item.nodeid: item for item in session.items}
        self.reached = self._reached()
        for name in self.reached.loaded:
            _load(name)
        self.functions = memory.functions()
        gc.collect()
        gc.freeze()
        self._check_that_tests_pass()
        for module in self.asked.modules or CONFIG["modules"]:
            self._module(module)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notes that a test fails."""
        self.failed |= report.failed

    def _passes(self, item: pytest.Item, following: pytest.Item | None = None) -> bool:
        self.failed = False
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        return not self.failed

    # --- which test reaches what ---

    def _reached(self) -> Reached:
        answer = self.scratch / "reached"

        def child() -> int:
            answer.write_bytes(pickle.dumps(self._run_all()))
            return PASS

        if _forked(child, HOUR, loud=True) != PASS:
            raise SystemExit("The tests did not run to their end.")
        reached: Reached = pickle.loads(answer.read_bytes())  # noqa: S301 - our own fork wrote it
        return reached

    def _run_all(self) -> Reached:
        lines = coverage.Coverage(data_file=None, source=[str(SOURCE)], config_file=False)
        seconds: dict[str, float] = {}
        lines.start()
        for name, item in self.items.items():
            lines.switch_context(name)
            begun = time.process_time()
            if self._passes(item):
                seconds[name] = time.process_time() - begun
            else:
                print(f"{name} fails without a change, and is left out", file=sys.stderr)
        lines.stop()
        data = lines.get_data()
        tests = {file: data.contexts_by_lineno(file) for file in data.measured_files()}
        return Reached(seconds, tests, sorted(sys.modules))

    def _check_that_tests_pass(self) -> None:
        """What fails in a fork without a change would kill every mutant."""
        quick = sorted(self.reached.seconds, key=lambda name: self.reached.seconds[name])[:100]
        if _forked(lambda: self._try([self.items[name] for name in quick]), HOUR) != PASS:
            raise SystemExit("A test fails in a fork without a change.")

    # --- one module ---

    def _module(self, module: str) -> None:
        self.about = CONFIG["modules"][module]["tests"]
        again = scores.known(module) if self.asked.again else None
        found: list[scores.Survivor] = []
        everything, begun = list(self._mutants(module)), time.monotonic()
        tried = self._sample(module, everything)
        for path, tree, mutant in tried:
            file = path.relative_to(SOURCE).as_posix()
            one = scores.Survivor(file, mutant.function, mutant.change, SURVIVED)
            if again is not None and one.key not in again:
                continue
            outcome = self._outcome(path, tree, mutant)
            if outcome != KILLED:
                found.append(one._replace(outcome=outcome))
                place = f"{file}:{max(mutant.lines)} {mutant.function}".rstrip()
                print(f"  {place}: {mutant.change} ({outcome})", flush=True)
        took = time.monotonic() - begun
        killed = f"{len(tried) - len(found)} of {len(tried)} killed"
        print(f"{module}: {killed}, {took:.0f} s", flush=True)
        if self.asked.write:
            scores.keep(module, len(everything), len(tried), found)

    def _sample(self, module: str, everything: list[Placed]) -> list[Placed]:
        """As many as config.yaml says, drawn alike each time; all, where it says nothing."""
        most = CONFIG["modules"][module].get("sample", len(everything))
        if self.asked.only or most >= len(everything):
            return everything
        drawn = random.Random(module).sample(range(len(everything)), most)  # noqa: S311 - no secret
        return [everything[index] for index in sorted(drawn)]

    def _mutants(self, module: str) -> Iterator[Placed]:
        for name in CONFIG["modules"][module]["files"]:
            for path in sorted((SOURCE / name).rglob("*.py")) or [SOURCE / name]:
                tree = ast.parse(path.read_text(encoding="utf-8"))
                for mutant in operators.mutants(tree):
                    if not self.asked.only or self.asked.only in mutant.function:
                        yield path, tree, mutant

    def _outcome(self, path: Path, tree: ast.Module, mutant: operators.Mutant) -> str:
        tests = self._chosen(path, tree, mutant)
        with operators.changed(tree, mutant) as statement:
            if not tests:
                return self._at_import(path, tree, statement)
            status = _forked(lambda: self._in_place(path, statement, mutant, tests), SECONDS)
            if status == UNABLE or (status == PASS and readers.is_built_upon(statement, SOURCE)):
                status = _forked(lambda: self._anew(path, tree, tests), SECONDS)
        answer = self.scratch / "noticed"
        if answer.is_file():
            self.noticed[answer.read_text(encoding="utf-8")] += 1
            answer.unlink()
        return SURVIVED if status == PASS else KILLED

    def _at_import(self, path: Path, tree: ast.Module, statement: ast.stmt) -> str:
        """A function that no test runs may have run at import; then any test of the file tells."""
        reached = set(self.reached.tests.get(str(path), ()))
        tests = self._reaching(path, {str(path): reached})
        if not tests or not readers.is_built_upon(statement, SOURCE):
            return NOT_REACHED
        status = _forked(lambda: self._anew(path, tree, tests), SECONDS)
        return NOT_REACHED if status == PASS else KILLED

    # --- which tests to try ---

    def _chosen(self, path: Path, tree: ast.Module, mutant: operators.Mutant) -> list[str]:
        if mutant.starts:
            return self._reaching(path, {str(path): {*mutant.lines}})
        statement = operators.at(tree, mutant.path[:1])
        lines = readers.of(statement, SOURCE)
        if isinstance(statement, ast.ClassDef):  # its fields are read wherever it is used
            lines[str(path)] |= set(self.reached.tests.get(str(path), ()))
        elif isinstance(statement, ast.FunctionDef):
            last = statement.end_lineno or statement.lineno
            lines[str(path)] |= set(range(statement.lineno, last + 1))
        names = CONFIG["as a whole"].get(path.relative_to(SOURCE).as_posix(), ())
        whole = {f"tests/{name}" for name in names} & self.reached.seconds.keys()
        return [*whole, *self._reaching(path, lines)]

    def _reaching(self, path: Path, lines: readers.Lines) -> list[str]:
        """The tests that reach some lines, in the order of config.yaml, and as far as it says.

        First of all come the cases of the rules that stand in the file.
        """
        own = tuple(f"[{rule}/" for rule in RULE.findall(path.read_text(encoding="utf-8")))
        names = {
            name
            for file, numbers in lines.items()
            for number in numbers
            for name in self.reached.tests.get(file, {}).get(number, ())
        }
        seconds = self.reached.seconds
        share: dict[str, float] = defaultdict(float)
        order: dict[str, tuple[float, ...]] = {}
        for name in sorted(names & seconds.keys(), key=lambda name: (seconds[name], name)):
            kind, about = KIND.sub("", name), Path(name.partition("::")[0]).name in self.about
            foreign = not any(rule in name for rule in own)
            order[name] = (foreign, -self.noticed[name], not about, share[kind] // SLICE)
            share[kind] += seconds[name]
        ordered = sorted(order, key=lambda name: order[name])
        spent = accumulate(seconds[name] for name in ordered)
        return [n for n, total in zip(ordered, spent, strict=True) if total <= CONFIG["seconds"]]

    # --- in a fork ---

    def _in_place(
        self, path: Path, statement: ast.stmt, mutant: operators.Mutant, tests: list[str]
    ) -> int:
        if mutant.starts:
            done = memory.exchange(self.functions, path, statement, mutant.starts)
        else:
            done = memory.rebind(path, statement)
        memory.forget()
        return self._try([self.items[name] for name in tests]) if done else UNABLE

    def _try(self, items: list[pytest.Item]) -> int:
        for item, following in zip(items, [*items[1:], None], strict=True):
            if not self._passes(item, following):
                (self.scratch / "noticed").write_text(item.nodeid, encoding="utf-8")
                return FAIL
        return PASS

    def _anew(self, path: Path, tree: ast.Module, tests: list[str]) -> int:
        """Loads the project with one changed module, and runs tests on that."""
        memory.unload(path, tree)
        files = sorted({name.partition("::")[0] for name in tests})
        options = [*_options(self.scratch / "anew"), "-x", *files]
        return FAIL if pytest.main(options, plugins=[_Only(tests)]) else PASS


class _Only:
    """A plugin of pytest that leaves out all but some tests, and runs those in their order."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        found = {item.nodeid: item for item in items}
        items[:] = [found[name] for name in self.names if name in found]


def _load(name: str) -> None:
    """Loads in the parent what a test would load: a fork then finds it there."""
    if name not in sys.modules and not name.startswith(("_pytest", "__", "$")):
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 - the fork will load it, or fail without a change
            print(f"not loaded beforehand: {name}: {error}", file=sys.stderr)


def _forked(work: Callable[[], int], seconds: int, *, loud: bool = False) -> int:
    """Does something in a fork that is silent and has bounds; what it answers."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = FAIL
    try:
        _bound(seconds, loud=loud)
        status = work()
    except BaseException:  # noqa: BLE001 - whatever it is, the fork ends here
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _bound(seconds: int, *, loud: bool) -> None:
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    if not loud:
        os.dup2(quiet, 2)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))


def _options(scratch: Path) -> list[str]:
    off = ("cacheprovider", "terminal", "xdist", "faulthandler")
    plugins = [word for name in off for word in ("-p", f"no:{name}")]
    how = ["--override-ini=addopts=", "--import-mode=importlib", "--timeout=0", "-s"]
    return [*plugins, *how, f"--rootdir={ROOT}", f"--basetemp={scratch}"]


def main() -> int:
    """Tries the mutants of the modules asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(CONFIG["modules"]))
    parser.add_argument("--again", action="store_true", help="only those that survived last time")
    parser.add_argument("--only", help="only functions whose name contains this")
    parser.add_argument("--write", action="store_true", help="keep the score in SCORES.md")
    asked = parser.parse_args()
    if unknown := set(asked.modules) - CONFIG["modules"].keys():
        parser.error(f"no such module: {', '.join(unknown)}")
    if asked.write and asked.only:
        parser.error("a score is of a whole module: leave out --only or --write")
    os.chdir(ROOT)
    tests = [f"tests/{name}" for name in CONFIG["tests"]]
    tests += [f"--deselect=tests/{name}" for name in CONFIG["but not"]]
    where = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="mutants-", dir=where) as folder:
        runner = Runner(asked, Path(folder))
        return int(pytest.main([*_options(runner.scratch / "tests"), *tests], plugins=[runner]))


if __name__ == "__main__":
    raise SystemExit(main())
