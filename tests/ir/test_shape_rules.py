"""Shape rules on random shapes, with some sizes as symbols: against numpy and against Python."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from wherry.ir.dims import Dim, evaluate, symbol
from wherry.ir.emit import infer_types, run_reference
from wherry.ir.infer import Guard, TensorType, broadcast_shapes, inferring
from wherry.ir.opdef import get_op
from wherry.ir.ops.slices import range_of
from wherry.schema.dtypes import as_dtype, float32
from wherry.schema.errors import OpError

checked = settings(deadline=None, max_examples=60)
shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)


class Hidden:
    """Sizes as symbols where the drawn mask says so; and what the guards then say."""

    def __init__(self, mask: list[bool]) -> None:
        self.mask = iter(mask)
        self.values: dict[str, int] = {}
        self.guards: list[Guard] = []

    def shape(self, sizes: tuple[int, ...]) -> tuple[Dim, ...]:
        return tuple(self.dim(size) for size in sizes)

    def dim(self, size: int) -> Dim:
        if not next(self.mask, False):
            return size
        name = f"d{len(self.values)}"
        self.values[name] = size
        return symbol(name)

    def run(self, rule: Any, *args: Any) -> Any:
        with inferring("op", None, self.guards):
            return rule(*args)

    def sizes(self, shape: tuple[Dim, ...]) -> tuple[int, ...]:
        return tuple(evaluate(dim, self.values) for dim in shape)

    @property
    def hold(self) -> bool:
        """Whether the guards let this call through."""
        pairs = (
            (guard, evaluate(guard.left, self.values), evaluate(guard.right, self.values))
            for guard in self.guards
        )
        return all(guard.holds(left, right) for guard, left, right in pairs)


masks = st.lists(st.booleans(), min_size=8, max_size=8)


@checked
@given(shapes, shapes, masks)
def test_broadcasting(a: tuple[int, ...], b: tuple[int, ...], mask: list[bool]) -> None:
    """What numpy broadcasts has numpy's shape; what it refuses fails, or a guard does."""
    hidden = Hidden(mask)
    left, right = hidden.shape(a), hidden.shape(b)
    try:
        wanted = np.broadcast_shapes(a, b)
    except ValueError:
        try:
            hidden.run(broadcast_shapes, left, right)
        except OpError as error:
            assert "needs shapes that broadcast" in str(error)
        else:
            assert not hidden.hold
        return
    assert hidden.sizes(hidden.run(broadcast_shapes, left, right)) == wanted
    assert hidden.hold


@checked
@given(
    st.integers(0, 7),
    st.integers(-9, 9) | st.sampled_from([2**31 - 1, -(2**31)]),
    st.integers(-9, 9) | st.sampled_from([2**31 - 1, -(2**31)]),
    st.sampled_from([1, 2, 3, -1, -2]),
)
def test_slices_of_a_symbol(size: int, start: int, end: int, step: int) -> None:
    """`start:end:step` of a dim that is a symbol selects what Python selects."""
    chosen = range(*slice(start, end, step).indices(size))
    part = range_of(symbol("n"), start, end, step)
    assert evaluate(part.size, {"n": size}) == len(chosen)
    if chosen:
        assert evaluate(part.first, {"n": size}) == chosen[0]


@checked
@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6))
def test_slices_at_symbols(size: int, start: int, end: int) -> None:
    part = range_of(symbol("n"), symbol("i"), symbol("j"))
    at = {"n": size, "i": start, "j": end}
    assert evaluate(part.size, at) == len(range(size)[start:end])
    if evaluate(part.size, at):
        assert evaluate(part.first, at) == start


@checked
@given(shapes, st.data(), masks)
def test_reshape(shape: tuple[int, ...], data: st.DataObject, mask: list[bool]) -> None:
    """Any regrouping of the dims, one of them as -1, gives the regrouped shape."""
    assume(0 not in shape)
    cuts = data.draw(st.lists(st.integers(0, len(shape)), max_size=3).map(sorted))
    edges = [0, *cuts, len(shape)]
    groups = [shape[a:b] for a, b in pairwise(edges)]
    wanted = tuple(int(np.prod(group, dtype=int)) for group in groups)
    rest = data.draw(st.none() | st.integers(0, len(wanted) - 1))
    asked = [-1 if i == rest else size for i, size in enumerate(wanted)]
    hidden = Hidden(mask)
    x = TensorType(hidden.shape(shape), float32)
    reshape = get_op("reshape2")
    found = hidden.run(infer_types, reshape, [x], {"shape": asked})
    assert hidden.sizes(found.shape) == wanted
    assert hidden.hold
    array = np.zeros(shape, np.float32)
    assert run_reference(reshape, [array], {"shape": asked}).shape == wanted


def test_reshape_is_exact_on_symbols() -> None:
    b = symbol("B")
    guards: list[Guard] = []
    with inferring("reshape2", None, guards):
        found = infer_types(
            get_op("reshape2"), [TensorType((b, 4, 6), float32)], {"shape": [-1, 8]}
        )
    assert found.shape == (b * 3, 8)
    assert guards == []


def test_reshape_that_may_not_divide_has_a_guard() -> None:
    guards: list[Guard] = []
    with inferring("reshape2", None, guards):
        found = infer_types(
            get_op("reshape2"), [TensorType((symbol("B"), 3), float32)], {"shape": [-1, 2]}
        )
    assert [str(d) for d in found.shape] == ["((3*B) // (2))", "2"]
    assert [guard.holds(3 * size % 2, 0) for guard in guards for size in (2, 3)] == [True, False]


@pytest.mark.parametrize(
    ("type", "inputs", "attrs", "message"),
    [
        ("elementwise_add", [(2, 3), (4,)], {}, "broadcast, got X = [2, 3] and Y = [4]"),
        ("elementwise_add", [(3,), "int64"], {}, "X and Y of one dtype, got float32 and int64"),
        ("elementwise_add", [(2, 3), (2,)], {"axis": 5}, "needs axis in [-2, 1]"),
        ("sqrt", ["int64"], {}, "needs X's dtype to be float16, float32 or float64, got int64"),
        ("reshape2", [(2, 3)], {"shape": [4, 2]}, "got X of shape [2, 3] and shape [4, 2]"),
        ("reshape2", [(2, 3)], {"shape": [-1, -1]}, "needs at most one -1 in shape, got [-1, -1]"),
        ("reshape2", [(2, 3)], {"shape": [-1, 4]}, "got X of shape [2, 3] and shape [-1, 4]"),
        ("transpose2", [(2, 3)], {"axis": [0, 0]}, "each of the 2 axes of X once, got [0, 0]"),
        ("concat", [[(2, 3), (2, 4)]], {"axis": 0}, "got [2, 3] and [2, 4]"),
        ("slice", [()], {"axes": [0], "starts": [0], "ends": [1]}, "at least 1 dim for axis 0"),
        ("split", [()], {"num": 1}, "needs a tensor of at least 1 dim for axis 0, got a 0-d"),
        ("unbind", [()], {}, "needs a tensor of at least 1 dim for axis 0, got a 0-d tensor"),
        ("roll", [()], {"shifts": [1], "axis": [0]}, "needs a tensor of at least 1 dim"),
        ("index_select", [(), "int64"], {}, "needs X of at least 1 dim, got a 0-d tensor"),
        ("concat", [[]], {}, "needs at least one tensor in X, got none"),
        ("stack", [[(2,), (3,)]], {}, "needs tensors of one shape in X, got [2] and [3]"),
        ("split", [(5,)], {"num": 2}, "needs a dim that num divides, got a dim of 5 and num 2"),
        ("split", [(5,)], {"sections": [2, 2]}, "needs sections that add up to the dim of 5"),
        ("expand_v2", [(2,)], {"shape": [3]}, "got X [2] and shape [3]"),
        ("slice", [(3,)], {"axes": [0], "starts": [7], "ends": [8], "decrease_axis": [0]},
         "index 7 is out of range for a dim of size 3"),
        ("slice", [(3,)], {"axes": [1], "starts": [0], "ends": [1]}, "needs axis in [-1, 0]"),
        ("set_value", [(3,), (2,)], {"axes": [0], "starts": [0], "ends": [3]}, "got X [2]"),
        ("reduce_sum", [(2, 3)], {"dim": [2]}, "dim in [-2, 1] for a tensor of 2 dims, got 2"),
        ("reduce_sum", [(2, 3)], {"dim": [1, -1]}, "needs each dim once, got [1, -1]"),
        ("reduce_max", [(0, 3)], {"dim": [0]}, "needs at least one element along dim 0"),
        ("reduce_mean", ["int64"], {}, "needs X's dtype to be float16, float32 or float64"),
        ("where", ["int64", (3,), (3,)], {}, "needs Condition's dtype to be bool, got int64"),
        ("gather", [(3,), (2,)], {}, "needs Index's dtype to be int32 or int64, got float32"),
        ("top_k_v2", [(3,)], {"k": 4}, "needs k <= the size of axis -1, got k = 4 and X [3]"),
        ("sum_to", [(2, 3), (2,)], {}, "needs Like to broadcast to X, got X [2, 3], Like [2]"),
        ("fill_constant", [], {"shape": [-1]}, "needs sizes >= 0 as shape, got [-1]"),
        ("tile", [(2,)], {"repeat_times": [-1]}, "needs repeat_times >= 0, got [-1]"),
        ("pad", [(2,)], {"paddings": [1]}, "needs 2 paddings for 1 dims of X, got 1"),
        ("range", [], {"end": 3, "step": 0}, "needs a step that is a number other than 0, got 0"),
        ("one_hot_v2", ["int64"], {"depth": 0}, "needs depth >= 1, got 0"),
        ("index_add", [(3, 2), "int64", (3, 1)], {}, "needs AddValue of shape [3, 2], got [3, 1]"),
    ],
)  # fmt: skip
def test_what_an_op_refuses(type: str, inputs: list[Any], attrs: Any, message: str) -> None:
    """A shape stands for float32 of that shape, a dtype's name for three elements of it."""

    def given_type(spec: Any) -> Any:
        if isinstance(spec, list):
            return [given_type(one) for one in spec]
        if isinstance(spec, str):
            return TensorType((3,), as_dtype(spec))
        return TensorType(spec, float32)

    with inferring(type, None, []), pytest.raises(OpError) as caught:
        infer_types(get_op(type), given_type(inputs), attrs)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"(InvalidArgument) {type} needs") or "index" in message


@pytest.mark.parametrize(
    ("axes", "shape", "accepted"), [([0], "[3]", [1]), ([], "[B, 3]", [2, 3]), ([1], "[B]", None)]
)
def test_squeeze_of_a_symbol(axes: list[int], shape: str, accepted: list[int] | None) -> None:
    """The number of dims is known; a guard refuses the sizes that would change it."""
    guards: list[Guard] = []
    last = 1 if accepted is None else 3
    with inferring("squeeze2", None, guards):
        x = TensorType((symbol("B"), 1, 3) if axes == [] else (symbol("B"), last), float32)
        found = infer_types(get_op("squeeze2"), [x], {"axes": axes})
    assert str(found).removeprefix("float32") == shape
    sizes = [n for n in (1, 2, 3) if all(_holds(guard, n) for guard in guards)]
    assert sizes == (accepted or [1, 2, 3])


def _holds(guard: Guard, size: int) -> bool:
    sides = (evaluate(side, {"B": size}) for side in (guard.left, guard.right))
    return guard.holds(*sides)
