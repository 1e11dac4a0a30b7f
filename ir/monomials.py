"""Polynomials as dicts from monomials to coefficients: what a `SymDim` is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from .dims import Dim


class Atom(NamedTuple):
    """A symbol (`fn` is "", `name` its name) or a function of two dims (`fn` in // % min max)."""

    fn: str
    name: str
    args: tuple[Dim, ...]

    def __str__(self) -> str:
        if not self.fn:
            return self.name
        a, b = (str(x) for x in self.args)
        if self.fn in ("min", "max"):
            return f"{self.fn}({a}, {b})"
        return f"(({a}) {self.fn} ({b}))"


Monomial: TypeAlias = tuple[Atom, ...]
Terms: TypeAlias = dict[Monomial, int]


def add(a: Terms, b: Terms) -> Terms:
    """The sum."""
    out = dict(a)
    for monomial, coefficient in b.items():
        out[monomial] = out.get(monomial, 0) + coefficient
    return out


def scaled(a: Terms, factor: int) -> Terms:
    """All coefficients times the factor."""
    return {m: c * factor for m, c in a.items()}


def multiply(a: Terms, b: Terms) -> Terms:
    """The product."""
    out: Terms = {}
    for m1, c1 in a.items():
        for m2, c2 in b.items():
            monomial = tuple(sorted(m1 + m2, key=str))
            out[monomial] = out.get(monomial, 0) + c1 * c2
    return out


def cancel(monomial: Monomial, by: Monomial) -> Monomial | None:
    """The quotient of two monomials, None where one does not divide the other."""
    left = list(monomial)
    for atom in by:
        if atom not in left:
            return None
        left.remove(atom)
    return tuple(left)


def term_order(term: tuple[Monomial, int]) -> tuple[bool, int, str]:
    """The key by which terms are sorted: large degrees first, the number last."""
    monomial, _ = term
    return not monomial, -len(monomial), "*".join(map(str, monomial))


def term_text(monomial: Monomial, coefficient: int) -> str:
    """A term as it is printed."""
    names = "*".join(map(str, monomial))
    if not monomial:
        return str(coefficient)
    return {1: names, -1: f"-{names}"}.get(coefficient, f"{coefficient}*{names}")
