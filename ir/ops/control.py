"""Control flow and effects: cond, while, print, assert; what is done to a gradient.

Their sub-blocks are isolated: what a block reads comes in through its arguments. What they do is
the interpreter's and codegen's business; here stand their types.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wherry.schema.dtypes import bool_

from ..dims import Dim, SymDim
from ..emit import BlockEmitter, Emitter, GradContext
from ..gradients import branch_grad
from ..infer import Shape, TensorType, fail, fail_type, require, show
from ..loop_gradient import while_grad
from ..opdef import REQUIRED, op
from ..program import Block, Variable
from ..rules import same_shape


def _need_condition(condition: TensorType, slot: str) -> None:
    if condition.dtype is not bool_:
        fail_type(f"needs a bool in {slot}, got {condition.dtype.name}; compare or cast it first")
    message = f"needs a single value in {slot}, got {slot} = {show(condition.shape)}"
    require(condition.size, "==", 1, message)


def _need_arguments(given: list[TensorType], block: Block, name: str) -> None:
    """The types that come in must be those of the block's arguments."""
    needed = [var.type for var in block.args]
    if len(given) != len(needed):
        fail(f"needs {len(needed)} values for the arguments of {name}, got {len(given)}")
    for value, var in zip(given, block.args, strict=True):
        _need_type(value, var, f"for the argument {var.name} of {name}")


def _need_type(got: TensorType, var: Variable, what: str) -> None:
    message = f"needs {_text(var.type)} {what}, got {_text(got)}"
    if got.dtype is not var.dtype:
        fail(message)
    same_shape(got.shape, var.shape, message)


def _text(type: TensorType) -> str:
    return f"{type.dtype.name}{show(type.shape)}"


def _cond_infer(
    cond: TensorType, xs: list[TensorType], *, true_block: Block, false_block: Block,
    sizes: list[Dim],
) -> list[TensorType]:  # fmt: skip
    _need_condition(cond, "Cond")
    _need_arguments(xs, true_block, "true_block")
    _need_arguments(xs, false_block, "false_block")
    yes, no = true_block.results, false_block.results
    if len(yes) != len(no):
        fail(f"needs branches with equally many results, got {len(yes)} and {len(no)}")
    triples = zip(sizes[::3], sizes[1::3], sizes[2::3], strict=True)
    given = {(str(a), str(b)): size for size, a, b in triples}
    return [_joined(a, b, given) for a, b in zip(yes, no, strict=True)]


def _joined(yes: Variable, no: Variable, given: Mapping[tuple[str, str], Dim]) -> TensorType:
    """The one type of a value that either branch gives; `given` are dims for pairs of dims."""
    name = f"for '{yes.base_name}'" if yes.base_name == no.base_name else "for each result"
    both = f"got {_text(yes.type)} and {_text(no.type)}"
    if yes.dtype is not no.dtype:
        fail(f"needs one dtype in both branches {name}, {both}; cast one of them")
    if yes.ndim != no.ndim:
        fail(f"needs equally many dims in both branches {name}, {both}; reshape one of them")
    dims: list[Dim] = []
    for a, b in zip(yes.shape, no.shape, strict=True):
        size = given.get((str(a), str(b)))
        if size is None:
            require(a, "==", b, f"needs one shape in both branches {name}, {both}")
            # Of two forms of one size the known one says more.
            size = b if isinstance(a, SymDim) else a
        dims.append(size)
    return TensorType(tuple(dims), yes.dtype)


def _cond_grad(F: Emitter, c: GradContext) -> tuple[None, list[Any]]:
    """A `cond` of the branches' gradients, which compute the branch again.

    Its inputs are the branch's and the gradients of its results.
    """
    assert isinstance(F, BlockEmitter), "eager code runs one branch and records no cond"
    (condition, xs), (outs,), (grads,) = c.inputs, c.outputs, c.grads
    wanted = [i for i, need in enumerate(c.needs[1]) if need]
    given = {i: grad for i, grad in enumerate(grads) if grad is not None}
    blocks = {
        name: branch_grad(F.block, c[name], wanted, {i: outs[i] for i in given})
        for name in ("true_block", "false_block")
    }
    results = F.cond(condition, [*xs, *given.values()], **blocks)
    found: list[Any] = [None] * len(xs)
    for i, grad in zip(wanted, results, strict=True):
        found[i] = grad
    return None, found


cond = op(
    "cond", "Cond X*", "Out*",
    attrs={"true_block": REQUIRED, "false_block": REQUIRED, "sizes": []},
    infer=_cond_infer,
    grad=_cond_grad,
    no_samples="its meaning is its blocks': tests/ir/test_control.py",
)  # fmt: skip


def _while_infer(
    condition: TensorType, xs: list[TensorType], extra: list[TensorType], *, block: Block,
    sizes: list[SymDim],
) -> list[TensorType]:  # fmt: skip
    _need_condition(condition, "Condition")
    _need_arguments([*_as_carried(xs, block, sizes), *extra], block, "the loop")
    if len(block.results) != 1 + len(xs):
        fail(
            f"needs a block that gives the next condition and {len(xs)} carries,"
            f" got {len(block.results)} results"
        )
    _need_condition(block.results[0].type, "the next condition")
    for arg, result in zip(block.args, block.results[1:], strict=False):
        _need_carry(arg, _as_carried([result.type], block, sizes, [arg])[0], result.base_name)
    _need_one_size(xs, block, sizes)
    return [var.type for var in block.args[: len(xs)]]


def _need_one_size(xs: list[TensorType], block: Block, sizes: list[SymDim]) -> None:
    """A carried size is the same in all carries that show it, at the start and after a round."""
    for size in sizes:
        places = [
            (index, axis)
            for index in range(len(xs))
            for axis, dim in enumerate(block.args[index].shape) if dim == size
        ]  # fmt: skip
        starts = {str(xs[index].shape[axis]) for index, axis in places}
        ends = {str(block.results[1 + index].shape[axis]) for index, axis in places}
        if len(starts) != 1 or len(ends) != 1:
            fail(f"needs one value of the size {size} at the start and after a round of the loop")


def _as_carried(
    types: list[TensorType], block: Block, sizes: list[SymDim], args: list[Variable] | None = None
) -> list[TensorType]:
    """The types with the sizes that the loop carries in the place of what they are here."""
    pairs = zip(types, block.args if args is None else args, strict=False)
    return [
        TensorType(_with_sizes(type.shape, arg.shape, sizes), type.dtype) for type, arg in pairs
    ]


def _with_sizes(shape: Shape, like: Shape, sizes: list[SymDim]) -> Shape:
    if not sizes or len(shape) != len(like):
        return shape
    return tuple(to if to in sizes else dim for dim, to in zip(shape, like, strict=True))


def _need_carry(arg: Variable, result: TensorType, name: str) -> None:
    """What a round leaves must have the type of what it found."""
    found = f"'{name}' with one dtype and shape in every round of the loop"
    got = f"{_text(arg.type)} before a round and {_text(result)} after it"
    message = f"needs {found}, got {got}"
    if arg.dtype is not result.dtype:
        fail(message)
    same_shape(arg.shape, result.shape, message)


def _while_grad(F: Emitter, c: GradContext) -> tuple[None, list[Any], list[Any]]:
    assert isinstance(F, BlockEmitter), "eager code runs its loops and records none"
    if c["sizes"]:
        fail(
            "has no gradient where the size of a variable changes from round to round; keep all "
            "elements, with a mask of those that count, or run the loop under paddle.no_grad()"
        )
    return while_grad(F, c)


while_ = op(
    "while", "Condition X* Extra*", "Out*",
    attrs={"block": REQUIRED, "sizes": []},
    infer=_while_infer,
    grad=_while_grad,
    no_samples="its meaning is its block's: tests/ir/test_control.py",
)  # fmt: skip


def _print_infer(x: TensorType, **_: Any) -> TensorType:
    return x


print_ = op(
    "print", "In",
    attrs={
        "message": "", "first_n": -1, "summarize": 20, "print_tensor_name": True,
        "print_tensor_type": True, "print_tensor_shape": True, "print_tensor_layout": True,
        "print_tensor_lod": True, "print_phase": "FORWARD", "is_forward": True,
    },
    infer=_print_infer,
    grad=lambda F, c: (c.g,),
    side_effect=True,
    no_samples="it writes to stdout: tests/ir/test_control.py",
)  # fmt: skip


def _assert_infer(condition: TensorType, data: list[TensorType], **_: Any) -> None:
    _need_condition(condition, "Cond")


assert_ = op(
    "assert", "Cond Data*", "",
    attrs={"summarize": -1, "message": "", "error": "AssertionError"},
    infer=_assert_infer,
    side_effect=True,
    no_samples="it has no result: tests/ir/test_control.py",
)  # fmt: skip


def _hook_infer(x: TensorType, extra: list[TensorType], *, block: Block) -> None:
    _need_arguments([x, *extra], block, "the hook")
    if len(block.results) != 1:
        fail(f"needs a block that gives one gradient, got {len(block.results)} results")
    _need_type(block.results[0].type, block.args[0], "from the hook")


gradient_hook = op(
    "gradient_hook", "X Extra*", "",
    attrs={"block": REQUIRED},
    infer=_hook_infer,
    no_samples="it acts in the gradient only: tests/ir/test_gradient_hook.py",
)  # fmt: skip
