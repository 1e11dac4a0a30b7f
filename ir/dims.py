"""Sizes that are not known yet: integer polynomials over symbols >= 0.

A dim is an `int` or a `SymDim`. A SymDim is kept in one canonical form, a sum of monomials over
atoms, where an atom is a symbol or a floordiv, mod, min or max of dims. Equal means: same form.
What cannot be decided here becomes a guard that is checked at the call (see
`wherry.ir.infer.require`), never False.

>>> b = symbol("B")
>>> str((b * 256 + 4) // 4), (b * 6) % 3, b * 2 - b - b
('64*B + 1', 0, 0)
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn, TypeAlias, Union

from .monomials import Atom, Monomial, Terms, add, cancel, multiply, scaled, term_order, term_text

Dim: TypeAlias = Union[int, "SymDim"]

# CPython 3.11 raises SystemError where two threads turn a syntax tree into objects at once.
_parser_lock = threading.Lock()


class SymDim:
    """A dim that depends on symbols. Immutable; made by `symbol` and by arithmetic."""

    __slots__ = ("_hash", "_text", "terms")

    def __init__(self, terms: Mapping[Monomial, int]) -> None:
        self.terms = tuple(sorted(terms.items(), key=term_order))
        self._text = " + ".join(term_text(m, c) for m, c in self.terms).replace("+ -", "- ")
        self._hash = hash(self._text)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"SymDim({self._text})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SymDim) and self._text == other._text

    def __hash__(self) -> int:
        return self._hash

    def __bool__(self) -> NoReturn:
        raise TypeError(f"the size {self} is not known before the call, so it is not a Python bool")

    def __index__(self) -> int:
        raise TypeError(f"the size {self} is not known before the call, so it is not a Python int")

    def __add__(self, other: Dim) -> Dim:
        return _binary(self, other, add)

    def __sub__(self, other: Dim) -> Dim:
        return _binary(self, other, lambda a, b: add(a, scaled(b, -1)))

    def __rsub__(self, other: Dim) -> Dim:
        return _binary(self, other, lambda a, b: add(scaled(a, -1), b))

    def __mul__(self, other: Dim) -> Dim:
        return _binary(self, other, multiply)

    def __neg__(self) -> Dim:
        return self * -1

    def __floordiv__(self, other: Dim) -> Dim:
        return _floordiv(self, other)

    def __rfloordiv__(self, other: Dim) -> Dim:
        return _floordiv(other, self)

    def __mod__(self, other: Dim) -> Dim:
        return _mod(self, other)

    def __rmod__(self, other: Dim) -> Dim:
        return _mod(other, self)

    __radd__ = __add__
    __rmul__ = __mul__


def symbol(name: str) -> SymDim:
    """The symbol of this name: some integer >= 0."""
    if not name.isidentifier() or name in ("min", "max"):
        raise ValueError(f"a dim's name must be an identifier, got {name!r}")
    return SymDim({(Atom("", name, ()),): 1})


def is_dim(value: Any) -> bool:
    """True for an int (bool is none) and for a SymDim."""
    return isinstance(value, SymDim) or (isinstance(value, int) and not isinstance(value, bool))


def dim_min(a: Dim, b: Dim) -> Dim:
    return _extremum("min", a, b)


def dim_max(a: Dim, b: Dim) -> Dim:
    return _extremum("max", a, b)


def product(dims: tuple[Dim, ...] | list[Dim]) -> Dim:
    """The product of the dims: the number of elements of a shape."""
    out: Dim = 1
    for dim in dims:
        out = dim * out
    return out


def lower(dim: Dim) -> int | None:
    """A lower bound that holds for all symbols >= 0, or None."""
    return _bound(dim, 1)


def upper(dim: Dim) -> int | None:
    """An upper bound that holds for all symbols >= 0, or None."""
    return _bound(dim, -1)


def always_le(a: Dim, b: Dim) -> bool:
    """True if a <= b is certain."""
    one = _single(a)
    if one is not None and one.fn in ("min", "max"):
        sides = [always_le(arg, b) for arg in one.args]
        if all(sides) or (one.fn == "min" and any(sides)):
            return True
    low = lower(b - a)
    return low is not None and low >= 0


def _single(dim: Dim) -> Atom | None:
    """The atom that the dim is, if it is nothing more."""
    if isinstance(dim, SymDim) and len(dim.terms) == 1:
        ((monomial, factor),) = dim.terms
        if len(monomial) == 1 and factor == 1:
            return monomial[0]
    return None


def never_equal(a: Dim, b: Dim) -> bool:
    """True if a != b is certain."""
    low, high = lower(a - b), upper(a - b)
    return (low is not None and low > 0) or (high is not None and high < 0)


def symbols_of(dim: Dim) -> Iterator[str]:
    """The names of the symbols in the dim, each as often as it occurs."""
    if isinstance(dim, SymDim):
        for monomial, _ in dim.terms:
            for atom in monomial:
                if not atom.fn:
                    yield atom.name
                for arg in atom.args:
                    yield from symbols_of(arg)


def evaluate(dim: Dim, values: Mapping[str, int]) -> int:
    """The dim's value where each symbol has the value given. Raises KeyError for a missing one."""
    result = substitute(dim, values)
    if isinstance(result, SymDim):
        raise KeyError(f"no value for {sorted(set(symbols_of(result)))} in {dim}")
    return result


def substitute(dim: Dim, values: Mapping[str, Dim]) -> Dim:
    """The dim with symbols replaced by other dims; symbols that are not named stay."""
    result: Dim = fold(
        dim, lambda name: values.get(name, symbol(name)), lambda fn, a, b: APPLY[fn](a, b)
    )
    return result


def fold(dim: Dim, leaf: Callable[[str], Any], apply: Callable[[str, Any, Any], Any]) -> Any:
    """Rebuild the dim from `leaf(symbol)` and `apply(fn, a, b)`; ints stay.

    `fn` is one of + * // % min max.
    """
    if not isinstance(dim, SymDim):
        return dim
    total: Any = None
    for monomial, coefficient in dim.terms:
        term: Any = None
        for atom in monomial:
            factor = (
                apply(atom.fn, *(fold(arg, leaf, apply) for arg in atom.args))
                if atom.fn
                else leaf(atom.name)
            )
            term = factor if term is None else apply("*", term, factor)
        if term is None:
            term = coefficient
        elif coefficient != 1:
            term = apply("*", term, coefficient)
        total = term if total is None else apply("+", total, term)
    return total


def parse_dim(text: str) -> Dim:
    """The inverse of `str(dim)`. Raises ValueError for anything that is not a dim."""
    try:
        if text.isidentifier():
            return symbol(text)
        with _parser_lock:
            tree = ast.parse(text, mode="eval")
        return _from_ast(tree.body)
    except (SyntaxError, KeyError, ZeroDivisionError) as error:
        raise ValueError(f"not a dim: {text!r}") from error


def _from_ast(node: ast.expr) -> Dim:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.Name):
        return symbol(node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_from_ast(node.operand)
    if isinstance(node, ast.BinOp):
        return APPLY[_AST_OPS[type(node.op)]](_from_ast(node.left), _from_ast(node.right))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 2:
        return APPLY[node.func.id](_from_ast(node.args[0]), _from_ast(node.args[1]))
    raise KeyError(type(node))


_AST_OPS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Mod: "%",
}  # fmt: skip


def _terms(dim: Dim) -> Terms:
    if isinstance(dim, SymDim):
        return dict(dim.terms)
    return {(): dim} if dim else {}


def _make(terms: Terms) -> Dim:
    kept = {m: c for m, c in terms.items() if c}
    if not kept:
        return 0
    return kept[()] if set(kept) == {()} else SymDim(kept)


def _binary(a: Dim, b: Dim, combine: Callable[[Terms, Terms], Terms]) -> Dim:
    if not is_dim(b):
        unsupported: Dim = NotImplemented  # Python tries the other operand's method
        return unsupported
    return _make(combine(_terms(a), _terms(b)))


def _floordiv(a: Dim, b: Dim) -> Dim:
    if not isinstance(a, SymDim) and not isinstance(b, SymDim):
        return a // b
    if b == 1:
        return a
    whole, rest = _divide(a, b)
    if rest == 0 or _within(rest, b):
        return whole
    return whole + SymDim({(Atom("//", "", (rest, b)),): 1})


def _mod(a: Dim, b: Dim) -> Dim:
    if not isinstance(a, SymDim) and not isinstance(b, SymDim):
        return a % b
    _, rest = _divide(a, b)
    if rest == 0 or _within(rest, b):
        return rest
    return SymDim({(Atom("%", "", (rest, b)),): 1})


def _within(rest: Dim, divisor: Dim) -> bool:
    """True if 0 <= rest < divisor is certain, so that rest // divisor is 0."""
    low, gap = lower(rest), lower(divisor - rest)
    return low is not None and low >= 0 and gap is not None and gap >= 1


def _divide(a: Dim, b: Dim) -> tuple[Dim, Dim]:
    """(whole, rest) with a == whole * b + rest, taking out each term that b divides exactly."""
    divisor = _terms(b)
    if len(divisor) != 1:
        return (1, 0) if a == b else (0, a)
    ((by, factor),) = divisor.items()
    whole: Terms = {}
    rest: Terms = {}
    for monomial, coefficient in _terms(a).items():
        quotient = cancel(monomial, by)
        if quotient is None or (quotient and coefficient % factor):
            rest[monomial] = coefficient
            continue
        whole[quotient] = coefficient // factor
        if coefficient % factor:
            rest[monomial] = coefficient % factor
    return _make(whole), _make(rest)


def _extremum(fn: str, a: Dim, b: Dim) -> Dim:
    if not isinstance(a, SymDim) and not isinstance(b, SymDim):
        return min(a, b) if fn == "min" else max(a, b)
    if always_le(a, b):
        return a if fn == "min" else b
    if always_le(b, a):
        return b if fn == "min" else a
    first, second = sorted((a, b), key=str)
    return SymDim({(Atom(fn, "", (first, second)),): 1})


def _bound(dim: Dim, sign: int) -> int | None:
    """The lower bound (sign 1) or the upper bound (sign -1)."""
    if not isinstance(dim, SymDim):
        return dim
    total = 0
    for monomial, coefficient in dim.terms:
        if not monomial:
            total += coefficient
            continue
        bound = _product_bound(monomial, sign if coefficient > 0 else -sign)
        if bound is None:
            return None
        total += coefficient * bound
    return total


def _product_bound(monomial: Monomial, sign: int) -> int | None:
    low = high = 1
    bounded = True
    for atom in monomial:
        a, b = _atom_bound(atom, 1), _atom_bound(atom, -1)
        if a is None or a < 0:
            return None
        low *= a
        if b is None:
            bounded = False
        else:
            high *= b
    if sign > 0:
        return low
    return high if bounded else None


def _atom_bound(atom: Atom, sign: int) -> int | None:
    if not atom.fn:
        return 0 if sign > 0 else None
    a, b = atom.args
    if atom.fn in ("min", "max"):
        return _extremum_bound(atom.fn, _bound(a, sign), _bound(b, sign), sign)
    if atom.fn == "//":
        return _quotient_bound(a, b, sign)
    if sign > 0:
        low = lower(b)
        return 0 if low is not None and low >= 0 else None
    high = upper(b)
    return None if high is None else high - 1


def _extremum_bound(fn: str, a: int | None, b: int | None, sign: int) -> int | None:
    one_is_enough = (fn == "max") == (sign > 0)
    known = [x for x in (a, b) if x is not None]
    if not known or (len(known) < 2 and not one_is_enough):
        return None
    return max(known) if fn == "max" else min(known)


def _quotient_bound(a: Dim, b: Dim, sign: int) -> int | None:
    if isinstance(b, SymDim) or b <= 0:
        low = lower(a)
        return 0 if sign > 0 and low is not None and low >= 0 else None
    bound = _bound(a, sign)
    return None if bound is None else bound // b


APPLY: dict[str, Callable[[Dim, Dim], Dim]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b,
    "//": _floordiv, "%": _mod, "min": dim_min, "max": dim_max,
}  # fmt: skip
