"""Symbolic dims: the canonical form means what plain integers give, and proofs hold."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.ir.dims import (
    Dim,
    SymDim,
    always_le,
    dim_max,
    dim_min,
    evaluate,
    lower,
    never_equal,
    parse_dim,
    product,
    substitute,
    symbol,
    upper,
)

NAMES = ("B", "H", "W")
checked = settings(deadline=None, max_examples=80)
values = st.fixed_dictionaries({name: st.integers(0, 40) for name in NAMES})

# What a dim stands for: how it is built, and its value for given symbols.
Meaning = Callable[[dict[str, int]], int]
Pair = tuple[Dim, Meaning]


def leaf() -> st.SearchStrategy[Pair]:
    names = st.sampled_from(NAMES).map(lambda n: (symbol(n), lambda v: v[n]))
    numbers = st.integers(-9, 20).map(lambda n: (n, lambda v: n))
    return names | numbers


def combine(children: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    def binary(symbolic: Callable[..., Dim], plain: Callable[..., int]) -> st.SearchStrategy[Pair]:
        return st.tuples(children, children).map(
            lambda ab: (
                symbolic(ab[0][0], ab[1][0]),
                lambda v: plain(ab[0][1](v), ab[1][1](v)),
            )
        )

    def by_constant(
        symbolic: Callable[..., Dim], plain: Callable[..., int]
    ) -> st.SearchStrategy[Pair]:
        return st.tuples(children, st.integers(1, 12)).map(
            lambda an: (symbolic(an[0][0], an[1]), lambda v: plain(an[0][1](v), an[1]))
        )

    return (
        binary(lambda a, b: a + b, lambda a, b: a + b)
        | binary(lambda a, b: a - b, lambda a, b: a - b)
        | binary(lambda a, b: a * b, lambda a, b: a * b)
        | binary(dim_min, min)
        | binary(dim_max, max)
        | by_constant(lambda a, n: a // n, lambda a, n: a // n)
        | by_constant(lambda a, n: a % n, lambda a, n: a % n)
    )


dims = st.recursive(leaf(), combine, max_leaves=8)


@checked
@given(dims, values)
def test_value_is_what_integers_give(pair: Pair, at: dict[str, int]) -> None:
    dim, meaning = pair
    assert evaluate(dim, at) == meaning(at)


@checked
@given(dims)
def test_text_parses_back(pair: Pair) -> None:
    assert parse_dim(str(pair[0])) == pair[0]


@checked
@given(dims, values)
def test_bounds_hold(pair: Pair, at: dict[str, int]) -> None:
    dim, meaning = pair
    low, high = lower(dim), upper(dim)
    assert low is None or low <= meaning(at)
    assert high is None or meaning(at) <= high


@checked
@given(dims, dims, values)
def test_what_is_proven_is_true(a: Pair, b: Pair, at: dict[str, int]) -> None:
    left, right = a[1](at), b[1](at)
    assert not always_le(a[0], b[0]) or left <= right
    assert not never_equal(a[0], b[0]) or left != right
    assert a[0] != b[0] or left == right


@checked
@given(dims, dims, values)
def test_substitution_is_evaluation_in_two_steps(a: Pair, b: Pair, at: dict[str, int]) -> None:
    size = dim_max(b[0], 0)  # a symbol stands for a size
    replaced = substitute(a[0], {"B": size})
    assert evaluate(replaced, at) == a[1]({**at, "B": evaluate(size, at)})


@checked
@given(dims, st.integers(1, 9), st.integers(0, 30))
def test_dividing_by_a_symbol(a: Pair, factor: int, size: int) -> None:
    """An exact multiple of a symbol divides without a rest, whatever the symbol is."""
    b = symbol("B")
    assert (a[0] * b * factor) // b == a[0] * factor
    assert (a[0] * b * factor) % b == 0
    at = {"B": size + 1, "H": 3, "W": 5}
    whole, rest = a[0] // (b + 1), a[0] % (b + 1)
    assert evaluate(whole, at) == a[1](at) // (size + 2)
    assert evaluate(rest, at) == a[1](at) % (size + 2)


@checked
@given(st.lists(dims, max_size=4), values)
def test_product(pairs: list[Pair], at: dict[str, int]) -> None:
    wanted = 1
    for _, meaning in pairs:
        wanted *= meaning(at)
    assert evaluate(product([dim for dim, _ in pairs]), at) == wanted


@pytest.mark.parametrize(
    ("dim", "text"),
    [
        (symbol("B") * 2 + 1, "2*B + 1"),
        (symbol("B") - symbol("H"), "B - H"),
        ((symbol("B") * 256 + 4) // 4, "64*B + 1"),
        ((symbol("B") + 1) // 2, "((B + 1) // (2))"),
        (dim_min(symbol("B"), 3), "min(3, B)"),
        ((symbol("B") * symbol("H")) // symbol("B"), "H"),
        (symbol("B") - symbol("B"), "0"),
    ],
)
def test_canonical_text(dim: Dim, text: str) -> None:
    assert str(dim) == text


def test_a_symbolic_dim_is_neither_bool_nor_int() -> None:
    b = symbol("B")
    assert isinstance(b + 1, SymDim)
    with pytest.raises(TypeError, match="not known before the call"):
        bool(b)
    with pytest.raises(TypeError, match="not known before the call"):
        range(b)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "text", ["", "B +", "f(B)", "B / 2", "1.5", "B // 0 +", "__import__('os')"]
)
def test_text_that_is_no_dim(text: str) -> None:
    with pytest.raises(ValueError, match="not a dim"):
        parse_dim(text)
