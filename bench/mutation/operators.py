"""Every mutant of a module: one small change of its syntax tree, with the place and the words."""

from __future__ import annotations

import ast
import re
from contextlib import contextmanager
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST, AROUND = 100, 20
TYPES = ("Callable", "Final", "Literal", "ParamSpec", "TypeVar", "dict")
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
NEVER = ast.Tuple(elts=[], ctx=ast.Load())
COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
COUNTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
CALLED = {
    "any": "all",
    "all": "any",
    "min": "max",
    "max": "min",
    "startswith": "endswith",
    "endswith": "startswith",
    "removeprefix": "removesuffix",
    "removesuffix": "removeprefix",
    "match": "search",
    "fullmatch": "match",
}


# Parts of a regular expression: a class of characters, one member of it, a quantifier.
CLASS = re.compile(r"(?<!\\)\[\^?(?P<members>\]?(?:\\.|[^\]\\])+)\]", re.DOTALL)
MEMBER = re.compile(r"(?:\\.|[^\\])(?:-(?:\\.|[^\\]))?", re.DOTALL)
QUANTIFIER = re.compile(r"(?<=[\w)\] ])(?:[*+?]|\{\d+(?:,\d*)?\})")


class Mutant(NamedTuple):
    """One change: where, in which function ("" outside of any), and the line before and after.

    ``path`` leads from the module to the changed node, ``node`` is what stands there instead.
    ``starts`` is the first line of the outermost function, by which its code can be found.
    """

    function: str
    starts: int
    lines: frozenset[int]
    before: str
    after: str
    path: tuple[tuple[str, int | None], ...]
    node: ast.AST

    @property
    def change(self) -> str:
        """The change as people read it, and as a reason is filed under."""
        return f"{self.before} → {self.after}"


class _Place(NamedTuple):
    """Where the walk stands."""

    path: tuple[tuple[str, int | None], ...] = ()
    function: str = ""
    starts: int = 0
    statement: ast.stmt | None = None
    inside: bool = False


def mutants(tree: ast.Module) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of the source."""
    yield from _walk(tree, _Place())


@contextmanager
def changed(tree: ast.Module, mutant: Mutant) -> Iterator[ast.stmt]:
    """Changes the module for a while; gives the statement of the module that holds the change."""
    owner = at(tree, mutant.path[:-1])
    name, index = mutant.path[-1]
    old = _child(owner, name, index)
    _put(owner, name, index, ast.fix_missing_locations(ast.copy_location(mutant.node, old)))
    try:
        yield at(tree, mutant.path[:1])  # type: ignore[misc]
    finally:
        _put(owner, name, index, old)


def _put(owner: ast.AST, name: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(owner, name, node)
    else:
        getattr(owner, name)[index] = node


def at(node: ast.AST, path: tuple[tuple[str, int | None], ...]) -> ast.AST:
    """The node to which a path leads."""
    for name, index in path:
        node = _child(node, name, index)
    return node


def _child(owner: ast.AST, name: str, index: int | None) -> ast.AST:
    child = getattr(owner, name)
    return child if index is None else child[index]


def _walk(node: ast.AST, place: _Place) -> Iterator[Mutant]:
    if _is_left_out(node):
        return
    if isinstance(node, (*FUNCTION, ast.ClassDef)):
        place = _entered(node, place)
    if isinstance(node, ast.stmt):
        place = place._replace(statement=node)
    for new in _replacements(node):
        yield _mutant(node, new, place)
    for name, index, child in _children(node):
        yield from _walk(child, place._replace(path=(*place.path, (name, index))))


def _entered(node: ast.AST, place: _Place) -> _Place:
    function = f"{place.function}.{node.name}".lstrip(".")  # type: ignore[attr-defined]
    if place.inside or not isinstance(node, FUNCTION):
        return place._replace(function=function)
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    return place._replace(function=function, starts=first, inside=True)


def _children(node: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    """What may be changed below a node; see ``_is_left_out`` for what may not."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases"):
            continue
        if isinstance(value, ast.AST):
            yield name, None, value
        elif isinstance(value, list):
            yield from ((name, i, v) for i, v in enumerate(value) if isinstance(v, ast.AST))


def _is_left_out(node: ast.AST) -> bool:
    """Texts, names for type checkers and lists of exports: see config.yaml for the reasons."""
    if isinstance(node, ast.JoinedStr):
        return True
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("__all__", "__slots__"):
        return True
    if isinstance(node, ast.Assign) and isinstance(node.value, (ast.Call, ast.Subscript)):
        made = node.value.func if isinstance(node.value, ast.Call) else node.value.value
        if ast.unparse(made) in TYPES:
            return True
    return isinstance(node, FUNCTION) and node.name in ("__repr__", "__str__")


def _mutant(node: ast.AST, new: ast.AST, place: _Place) -> Mutant:
    statement = place.statement or node
    lines = {*_lines(node), *([statement.lineno] if place.starts else ())}  # type: ignore[attr-defined]
    before, after = _apart(_shown(node), _shown(new))
    inside = place.inside and not _is_default(place)
    starts = place.starts if inside else 0
    return Mutant(place.function, starts, frozenset(lines), before, after, place.path, new)


def _lines(node: ast.AST) -> range:
    """The lines of an expression; of what holds statements only the first."""
    at = node.target if isinstance(node, ast.comprehension) else node
    first: int = at.lineno  # type: ignore[attr-defined]
    return range(first, (at.end_lineno if isinstance(at, ast.expr) else first) + 1)  # type: ignore[operator]


def _is_default(place: _Place) -> bool:
    """Defaults of a function belong to the moment in which it is defined."""
    names = [name for name, _ in place.path]
    return "defaults" in names or "kw_defaults" in names


def _apart(before: str, after: str) -> tuple[str, str]:
    """Two long texts, reduced to where they differ."""
    if max(len(before), len(after)) <= LONGEST:
        return before, after
    start = _alike(before, after)
    end = _alike(before[start:][::-1], after[start:][::-1])
    first, behind = max(0, start - AROUND), max(0, end - AROUND)
    before, after = before[first : len(before) - behind], after[first : len(after) - behind]
    return f"…{before}…", f"…{after}…"


def _alike(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _shown(node: ast.AST) -> str:
    if isinstance(node, ast.ExceptHandler):
        return f"except {ast.unparse(node.type) if node.type else ''}"
    if isinstance(node, (ast.If, ast.While)):
        return f"if {ast.unparse(node.test)}"
    if isinstance(node, ast.For):
        return f"for {ast.unparse(node.target)} in {ast.unparse(node.iter)}"
    if isinstance(node, ast.comprehension):
        return ast.unparse(node).strip()
    return ast.unparse(node)


# --- what stands instead -------------------------------------------------------------------------


def _replacements(node: ast.AST) -> Iterator[ast.AST]:
    """Each other node that could stand in the place of one."""
    change = REPLACED.get(type(node))
    if change:
        yield from change(node)


def _compare(node: ast.Compare) -> Iterator[ast.AST]:
    for index, op in enumerate(node.ops):
        for other in COMPARED[type(op)]:
            ops = [*node.ops[:index], other(), *node.ops[index + 1 :]]
            yield ast.Compare(node.left, ops, node.comparators)


def _both(node: ast.BoolOp) -> Iterator[ast.AST]:
    yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)


def _unary(node: ast.UnaryOp) -> Iterator[ast.AST]:
    if isinstance(node.op, (ast.Not, ast.USub)):
        yield node.operand


def _binary(node: ast.BinOp) -> Iterator[ast.AST]:
    if type(node.op) in COUNTED:
        yield ast.BinOp(node.left, COUNTED[type(node.op)](), node.right)


def _constant(node: ast.Constant) -> Iterator[ast.AST]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, (int, float)):
        yield ast.Constant(value + 1)
    elif isinstance(value, bytes):
        yield ast.Constant(b"XX" + value)
    elif isinstance(value, str) and not any(c.isspace() for c in value):
        yield ast.Constant("XX" + value)


def _pattern(call: ast.Call) -> Iterator[ast.AST]:
    """A regular expression without one member of a class, or one quantifier."""
    pattern = call.args[0]
    if isinstance(pattern, ast.Constant) and isinstance(pattern.value, str):
        for start, end in _parts(pattern.value):
            less = ast.Constant(pattern.value[:start] + pattern.value[end:])
            yield ast.Call(call.func, [less, *call.args[1:]], call.keywords)


def _parts(pattern: str) -> Iterator[tuple[int, int]]:
    """Where the members of classes of a pattern are, and its quantifiers."""
    for found in CLASS.finditer(pattern):
        members = list(MEMBER.finditer(pattern, found.start("members"), found.end("members")))
        if len(members) > 1:
            yield from (member.span() for member in members)
    outside = CLASS.sub(lambda found: " " * len(found.group()), pattern)
    yield from (found.span() for found in QUANTIFIER.finditer(outside))


def _call(node: ast.Call) -> Iterator[ast.AST]:
    if ast.unparse(node.func).startswith("re.") and node.args:
        yield from _pattern(node)
    if isinstance(node.func, ast.Name) and node.func.id in CALLED:
        yield ast.Call(ast.Name(CALLED[node.func.id], ast.Load()), node.args, node.keywords)
    if isinstance(node.func, ast.Attribute) and node.func.attr in CALLED:
        func = ast.Attribute(node.func.value, CALLED[node.func.attr], ast.Load())
        yield ast.Call(func, node.args, node.keywords)
    if isinstance(node.func, ast.Name) and node.func.id == "sorted":
        yield ast.Call(ast.Name("list", ast.Load()), node.args, [])


def _decided(test: ast.expr) -> Iterator[ast.expr]:
    """The opposite of a condition, unless another mutant is just that."""
    single = isinstance(test, ast.Compare) and len(test.ops) == 1
    if not single and not isinstance(test, ast.UnaryOp):
        yield ast.UnaryOp(ast.Not(), test)


def _if(node: ast.If) -> Iterator[ast.AST]:
    for test in _decided(node.test):
        yield ast.If(test, node.body, node.orelse)


def _while(node: ast.While) -> Iterator[ast.AST]:
    for test in _decided(node.test):
        yield ast.While(test, node.body, node.orelse)


def _either(node: ast.IfExp) -> Iterator[ast.AST]:
    for test in _decided(node.test):
        yield ast.IfExp(test, node.body, node.orelse)


def _comprehension(node: ast.comprehension) -> Iterator[ast.AST]:
    for index, condition in enumerate(node.ifs):
        rest = [*node.ifs[:index], *node.ifs[index + 1 :]]
        yield ast.comprehension(node.target, node.iter, rest, node.is_async)
        for test in _decided(condition):
            yield ast.comprehension(node.target, node.iter, [*rest, test], node.is_async)


def _for(node: ast.For) -> Iterator[ast.AST]:
    yield ast.For(node.target, NEVER, node.body, node.orelse)


def _handler(node: ast.ExceptHandler) -> Iterator[ast.AST]:
    yield ast.ExceptHandler(NEVER, node.name, node.body)


def _return(node: ast.Return) -> Iterator[ast.AST]:
    """Nothing instead of something: what is false or empty says the same."""
    plain = isinstance(node.value, ast.Constant) and not node.value.value
    if node.value is not None and not plain and ast.unparse(node.value) != "True":
        yield ast.Return(ast.Constant(None))


def _expression(node: ast.Expr) -> Iterator[ast.AST]:
    if isinstance(node.value, ast.Call):
        yield ast.Pass()
    elif isinstance(node.value, (ast.Yield, ast.YieldFrom)):
        # It stays a generator, one that is silent here.
        yield ast.Expr(ast.BoolOp(ast.And(), [ast.Constant(value=False), node.value]))


def _dropped(_node: ast.stmt) -> Iterator[ast.AST]:
    yield ast.Pass()


def _augmented(node: ast.AugAssign) -> Iterator[ast.AST]:
    if type(node.op) in COUNTED:
        yield ast.AugAssign(node.target, COUNTED[type(node.op)](), node.value)


REPLACED = {
    ast.Compare: _compare,
    ast.BoolOp: _both,
    ast.UnaryOp: _unary,
    ast.BinOp: _binary,
    ast.Constant: _constant,
    ast.Call: _call,
    ast.If: _if,
    ast.While: _while,
    ast.IfExp: _either,
    ast.comprehension: _comprehension,
    ast.For: _for,
    ast.ExceptHandler: _handler,
    ast.Return: _return,
    ast.Expr: _expression,
    ast.Raise: _dropped,
    ast.Continue: _dropped,
    ast.Break: _dropped,
    ast.AugAssign: _augmented,
}
