"""Finds the lines that depend on a statement outside of functions: who reads its names."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
Lines = dict[str, set[int]]


class _Readers(NamedTuple):
    """Of each name: the lines of functions that read it, and the names that are made of it."""

    lines: dict[str, set[tuple[str, int]]]
    made: dict[str, set[str]]


def of(statement: ast.AST, source: Path) -> Lines:
    """The lines below ``source`` that read what a statement defines, by file."""
    readers, lines = _all(source), defaultdict(set)
    names, seen = written(statement), set[str]()
    while names:
        seen |= names
        for name in names:
            for file, line in readers.lines.get(name, ()):
                lines[file].add(line)
        names = {made for name in names for made in readers.made.get(name, ())} - seen
    return lines


def is_built_upon(statement: ast.AST, source: Path) -> bool:
    """Whether other statements outside of functions take what a statement defines, at import."""
    return any(_all(source).made.get(name) for name in written(statement))


def written(statement: ast.AST) -> set[str]:
    """The names that a statement gives values."""
    if isinstance(statement, (*FUNCTION, ast.ClassDef)):
        return {statement.name}
    nodes = (n for n in ast.walk(statement) if isinstance(n, ast.Name))
    return {node.id for node in nodes if isinstance(node.ctx, ast.Store)}


@cache
def _all(source: Path) -> _Readers:
    found = _Readers(defaultdict(set), defaultdict(set))
    for path in source.rglob("*.py"):
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            _note(statement, str(path), found)
    return found


def _note(statement: ast.stmt, file: str, found: _Readers) -> None:
    for function in _functions(statement):
        body = range(function.lineno, (function.end_lineno or function.lineno) + 1)
        for name in _at_definition(function):
            found.lines[name] |= {(file, line) for line in body}
        for inner in function.body:
            for name, line in _named(inner):
                found.lines[name].add((file, line))
    for name in _at_definition(statement):
        found.made[name] |= written(statement)


def _functions(statement: ast.stmt) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions of a statement, those of a class one by one."""
    if isinstance(statement, FUNCTION):
        yield statement
    elif isinstance(statement, ast.ClassDef):
        for inner in statement.body:
            yield from _functions(inner)


def _at_definition(statement: ast.stmt) -> set[str]:
    """The names that a statement reads when the module is imported."""
    if isinstance(statement, FUNCTION):
        args = statement.args
        now = [*args.defaults, *(d for d in args.kw_defaults if d), *statement.decorator_list]
        return set().union(*map(_read, now))
    if isinstance(statement, ast.ClassDef):
        now = [*statement.bases, *statement.decorator_list]
        return set().union(*map(_read, now), *map(_at_definition, statement.body))
    return _read(statement)


def _read(node: ast.AST) -> set[str]:
    return {name for name, _ in _named(node)}


def _named(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Each name and attribute below a node, with its line."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load):
            yield inner.id, inner.lineno
        elif isinstance(inner, ast.Attribute):
            yield inner.attr, inner.end_lineno or inner.lineno
