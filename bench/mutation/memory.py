"""Exchanges code in memory: a function's, what a name stands for, or a module's as it loads."""

from __future__ import annotations

import ast
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections import defaultdict
from pathlib import Path
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

import readers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src/incident_gates"
OURS = SOURCE.name
HELPERS = {path.stem for path in (ROOT / "tests").glob("*.py")}
Functions = dict[tuple[str, int, str], list[FunctionType]]


def functions() -> Functions:
    """Every function of ours that lives, by file, first line and name."""
    found: Functions = defaultdict(list)
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType) and thing.__code__.co_filename.startswith(str(SOURCE)):
            code = thing.__code__
            found[code.co_filename, code.co_firstlineno, code.co_name].append(thing)
    return found


def exchange(alive: Functions, path: Path, statement: ast.stmt, starts: int) -> bool:
    """Gives the function that starts in a line its changed code; False where that cannot be."""
    done = False
    for new in _inner(_compiled(statement, path), starts):
        for function in alive.get((str(path), new.co_firstlineno, new.co_name), ()):
            if function.__code__.co_freevars != new.co_freevars:
                return False
            function.__code__ = new
            done = True
    return done


def _inner(code: CodeType, starts: int, *, inside: bool = False) -> Iterator[CodeType]:
    """The code of the function that starts in a line, and of those that it defines."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            found = inside or inner.co_firstlineno == starts
            if found:
                yield inner
            yield from _inner(inner, starts, inside=found)


def _compiled(statement: ast.stmt, path: Path) -> CodeType:
    """A statement as its module would have it: annotations are not evaluated."""
    flags = annotations.compiler_flag
    return compile(ast.Module([statement], []), str(path), "exec", flags, dont_inherit=True)


def rebind(path: Path, statement: ast.stmt) -> bool:
    """Gives a name of a module its changed value, there and wherever it was imported."""
    module = sys.modules.get(_name(path))
    if module is None or not isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return False
    values = dict(vars(module))
    exec(_compiled(statement, path), values)  # noqa: S102 - the point of it
    for name in readers.written(statement):
        old = vars(module)[name]
        for other in list(sys.modules.values()):
            if getattr(other, "__dict__", {}).get(name) is old:
                setattr(other, name, values[name])
    return True


def forget() -> None:
    """Empties our caches: what was computed before the change must not answer."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == OURS:
            for thing in vars(module).values():
                if hasattr(thing, "cache_clear"):
                    thing.cache_clear()


def unload(path: Path, tree: ast.Module) -> None:
    """Takes project and tests out of memory; the next import finds one module changed."""
    for name in list(sys.modules):
        if name.partition(".")[0] in {OURS, "tests", *HELPERS}:
            del sys.modules[name]
    sys.meta_path.insert(0, _Changed(path, tree))


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module, and gives it other code."""

    def __init__(self, path: Path, tree: ast.Module) -> None:
        self.name, self.path = _name(path), path
        self.code = compile(tree, str(path), "exec", dont_inherit=True)

    def find_spec(self, name: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(self.code, module.__dict__)  # noqa: S102 - the point of it


def _name(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
