"""simplify: a table of formulas. Each row is exact in every bit, for NaN and -0 too.

    rule(mul(X, 1), lambda F, m: m.x)                                 x * 1 = x
    rule(transpose(transpose(X)), lambda F, m: F.transpose2(...))     one transpose for two

A pattern is a tree of op types, `X` stands for any Variable, a number for a `fill_constant`
of that value. A row whose result has another type than the op (x * 1 may broadcast x) is not
applied.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import copysign
from typing import Any, Final, TypeAlias, Union

from ..dims import SymDim
from ..emit import BlockEmitter
from ..program import Block, OpDesc, Program, Variable
from .base import each_block, rewrite, rule_attrs

Tree: TypeAlias = Union["Node", str, int, float]
X = "x"


@dataclass(frozen=True)
class Node:
    """An op of this type whose first inputs match these trees."""

    type: str
    inputs: tuple[Tree, ...]


@dataclass
class Match:
    """What a pattern found: Variables by name, and the ops from the outermost inwards."""

    vars: dict[str, Variable] = field(default_factory=dict)
    ops: list[OpDesc] = field(default_factory=list)

    @property
    def x(self) -> Variable:
        return self.vars[X]

    @property
    def out(self) -> Variable:
        """What the outermost op gives."""
        return self.ops[0].out_vars[0]

    def attr(self, depth: int, name: str) -> Any:
        """An attribute of the outermost op (depth 0), of the one inside it (1), ..."""
        return rule_attrs(self.ops[depth])[name]


Replacement = Callable[[BlockEmitter, Match], Variable | None]


@dataclass(frozen=True)
class Rule:
    """A row of the table; `replace` returns None where the row does not apply after all."""

    pattern: Node
    replace: Replacement


def _op(type: str) -> Callable[..., Node]:
    return lambda *inputs: Node(type, inputs)


add, sub, mul, div = (_op(f"elementwise_{name}") for name in ("add", "sub", "mul", "div"))
power, scale, cast, assign = map(_op, ("elementwise_pow", "scale", "cast", "assign"))
transpose, reshape, expand = map(_op, ("transpose2", "reshape2", "expand_v2"))
squeeze, unsqueeze, flatten = map(_op, ("squeeze2", "unsqueeze2", "flatten_contiguous_range"))
sum_to, concat, where = map(_op, ("sum_to", "concat", "where"))
not_, neg = map(_op, ("logical_not", "negative"))


def _same_type(F: BlockEmitter, m: Match) -> Variable | None:
    return m.x


def _integers(F: BlockEmitter, m: Match) -> Variable | None:
    """For floats x + 0 is not x: -0 + 0 is 0."""
    return m.x if m.x.dtype.is_integer else None


def _scale_is_one(F: BlockEmitter, m: Match) -> Variable | None:
    # A bias of -0 adds nothing; a bias of 0 makes 0 of -0 in floats.
    nothing = _is(m.attr(0, "bias"), -0.0) or (m.x.dtype.is_integer and m.attr(0, "bias") == 0)
    return m.x if m.attr(0, "scale") == 1 and nothing else None


def _reshape(F: BlockEmitter, m: Match) -> Variable | None:
    if m.x.shape == m.out.shape:
        return m.x
    new: Variable = F.reshape2(m.x, shape=list(m.out.shape))
    return new


def _transpose(F: BlockEmitter, m: Match) -> Variable | None:
    outer, inner = m.attr(0, "axis"), m.attr(1, "axis")
    new: Variable = F.transpose2(m.x, axis=[inner[axis] for axis in outer])
    return new


def _not_transposed(F: BlockEmitter, m: Match) -> Variable | None:
    axes = list(m.attr(0, "axis"))
    return m.x if axes == list(range(len(axes))) else None


def _only_one(F: BlockEmitter, m: Match) -> Variable | None:
    return m.x if len(m.ops[0].in_vars) == 1 else None


def _full_shape(F: BlockEmitter, m: Match) -> Variable | None:
    return m.x if m.x.shape == m.out.shape else None


# Views of a view: reshape says all that squeeze, unsqueeze and flatten say, but for copied 0 and
# -1.
_VIEWS = (reshape, squeeze, unsqueeze, flatten)

RULES: Final = (
    Rule(mul(X, 1), _same_type),
    Rule(mul(1, X), _same_type),
    Rule(div(X, 1), _same_type),
    Rule(power(X, 1), _same_type),
    Rule(sub(X, 0), _same_type),
    Rule(add(X, -0.0), _same_type),
    Rule(add(-0.0, X), _same_type),
    Rule(add(X, 0), _integers),
    Rule(add(0, X), _integers),
    Rule(scale(X), _scale_is_one),
    Rule(neg(neg(X)), _same_type),
    Rule(not_(not_(X)), _same_type),
    Rule(assign(X), _same_type),
    Rule(cast(X), _full_shape),
    Rule(transpose(transpose(X)), _transpose),
    Rule(transpose(X), _not_transposed),
    *(Rule(outer(inner(X)), _reshape) for outer in _VIEWS for inner in _VIEWS),
    *(Rule(view(X), _full_shape) for view in _VIEWS),
    Rule(expand(X), _full_shape),
    Rule(sum_to(X), _full_shape),
    Rule(concat(X), _only_one),
)


class Simplify:
    """Applies the table until nothing changes. An output of the Program keeps an op of its name."""

    name = "simplify"

    def run(self, program: Program) -> bool:
        return each_block(program, self._block)

    def _block(self, block: Block) -> bool:
        # The results of block 0 are known to callers by name; those of a sub-block are not.
        names = set() if block.parent else {var.name for var in block.results}
        changed = False
        while rewrite(block, lambda F, op: _apply(F, op, names)):
            changed = True
        return changed


def _apply(F: BlockEmitter, op: OpDesc, names: set[str]) -> list[Variable | None] | None:
    for rule in _BY_TYPE.get(op.type, ()):
        match = Match()
        new = rule.replace(F, match) if _matches(rule.pattern, op, match) else None
        if new is None or new.type != match.out.type:
            continue
        if new is not match.x or match.out.name not in names:
            return [new, *[None] * (len(op.out_vars) - 1)]
    return None


def _matches(node: Node, op: OpDesc, match: Match) -> bool:
    if op.type != node.type:
        return False
    match.ops.append(op)
    found = op.in_vars
    return len(found) >= len(node.inputs) and all(
        _fits(tree, var, match) for tree, var in zip(node.inputs, found, strict=False)
    )


def _fits(tree: Tree, var: Variable, match: Match) -> bool:
    if isinstance(tree, str):
        return match.vars.setdefault(tree, var) is var
    if isinstance(tree, Node):
        # Only the first output of a view or a map is its value.
        return var.op is not None and var is var.op.out_vars[0] and _matches(tree, var.op, match)
    return var.op is not None and var.op.type == "fill_constant" and _is(_filled(var.op), tree)


def _filled(op: OpDesc) -> Any:
    return None if op.in_vars else op.attrs.get("value")


def _is(value: Any, number: float) -> bool:
    """Whether an attribute is this number, with this sign."""
    if isinstance(value, (str, SymDim)) or value is None:
        return False
    return bool(value == number) and copysign(1, value) == copysign(1, number)


def _table() -> dict[str, list[Rule]]:
    found: dict[str, list[Rule]] = {}
    for rule in RULES:
        found.setdefault(rule.pattern.type, []).append(rule)
    return found


_BY_TYPE: Final = _table()
