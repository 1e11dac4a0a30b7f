"""The one table from which Tensor gets its operators and methods."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from wherry.schema.dtypes import as_dtype

from .. import autograd
from ..device import CPUPlace
from ..dispatch import mark_written, tracer, update_buffer, write
from ..observers import traced_grads
from ..tensor import Tensor
from . import (
    at_index,
    compare,
    compound,
    creation,
    fills,
    indexing,
    integers,
    linalg,
    math,
    matrices,
    matrix_functions,
    numbers,
    operators,
    order,
    random,
    reduce,
    search,
    shape,
)
from .convert import cast_to, to_tensor_like

# Functions whose first argument is the Tensor: `x.name(...)` is `paddle.name(x, ...)`.
FUNCTIONS: dict[Any, str] = {
    at_index: "index_add index_fill index_put take",
    order: "bucketize cummax cummin histogram kthvalue mode",
    numbers: "atleast_1d atleast_2d atleast_3d frac hypot ldexp logaddexp nan_to_num sgn",
    compound: "crop cross diff logit put_along_axis quantile rot90",
    math: """
        add subtract multiply divide maximum minimum fmax fmin floor_divide mod remainder
        floor_mod pow exp expm1 log log2 log10 log1p sqrt rsqrt sin cos tan asin acos atan sinh
        cosh tanh asinh acosh atanh erf erfinv lgamma digamma polygamma reciprocal
        sigmoid abs square sign floor ceil round trunc neg scale clip cast lerp
        stanh kron atan2 heaviside deg2rad rad2deg add_n increment
    """,
    compare: """
        equal not_equal less_than less_equal greater_than greater_equal logical_and logical_or
        logical_xor logical_not bitwise_and bitwise_or bitwise_xor bitwise_not isnan isinf
        isfinite equal_all isclose allclose is_tensor is_floating_point is_integer is_complex
        is_empty
    """,
    reduce: """
        sum prod mean max min amax amin all any var std logsumexp nansum nanmean count_nonzero
        numel cumsum cumprod median
    """,
    shape: """
        reshape flatten squeeze unsqueeze transpose moveaxis expand broadcast_to expand_as tile
        split chunk unbind unstack slice strided_slice flip reverse roll diagonal
        repeat_interleave unflatten view rank concat stack
    """,
    matrices: """
        cholesky cholesky_solve eigvalsh inverse lu lu_unpack qr solve
    """,
    matrix_functions: "cond corrcoef cov lstsq matrix_power multi_dot pinv",
    integers: "gcd lcm renorm",
    linalg: "matmul mm bmm mv dot inner outer addmm t norm dist trace tensordot",
    search: """
        argmax argmin argsort sort topk where nonzero masked_select masked_fill gather gather_nd
        index_select index_sample take_along_axis scatter scatter_nd_add unique
        unique_consecutive bincount
    """,
    creation: "clone diag tril triu",
    fills: "exponential_ fill_diagonal_ fill_diagonal_tensor fill_diagonal_tensor_",
    random: "bernoulli multinomial",
}

# These get a twin with a trailing underscore that writes the result into the Tensor.
INPLACE = """
    add subtract multiply divide floor_divide mod remainder pow exp sqrt rsqrt sin cos tan tanh
    abs square floor ceil round reciprocal neg scale clip cast lerp sigmoid erf log log2 log10
    log1p expm1 asin acos atan sinh cosh masked_fill scatter tril triu cumsum trunc
    erfinv lgamma digamma gcd lcm renorm
    index_add index_fill index_put nan_to_num frac hypot ldexp put_along_axis cumprod logit
"""
RESHAPING = "reshape squeeze unsqueeze flatten transpose t"


def inplace(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function as one that writes its result into its first argument and returns that."""

    @functools.wraps(function)
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        result = function(self, *args, **kwargs)
        return write(self, cast_to(result, self.dtype) if function.__name__ != "cast" else result)

    method.__name__ = method.__qualname__ = function.__name__ + "_"
    method.__doc__ = (
        f"`{function.__name__}` in place: the result is written into x, which is returned."
    )
    return method


def reshaping(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function as one that changes the Tensor itself: other shape, same memory."""

    @functools.wraps(function)
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if self.node is None and not self.stop_gradient and autograd.is_grad_enabled():
            raise ValueError(
                f"(InvalidArgument) Leaf Var ({self.name}) that doesn't stop gradient can't use "
                "inplace strategy; use the function without the underscore"
            )
        result = function(self, *args, **kwargs)
        if tracer.get() is not None:
            return write(self, result)
        self.array, self.storage = result.array, result.storage
        self.node, self.node_index, self.history = result.node, result.node_index, result.history
        mark_written(self, False)
        return self

    method.__name__ = method.__qualname__ = function.__name__ + "_"
    method.__doc__ = f"`{function.__name__}` in place: x itself gets the other shape."
    return method


def backward(self: Tensor, grad_tensor: Tensor | None = None, retain_graph: bool = False) -> None:
    """Accumulate gradients into the `.grad` of all leaves (`paddle.autograd.backward`)."""
    autograd.backward([self], [grad_tensor], retain_graph)


def clear_gradient(self: Tensor, set_to_zero: bool = True) -> None:
    """Forget the gradient; with `set_to_zero` (the default) an existing one becomes zeros."""
    traced = traced_grads.get()
    if traced is not None:
        traced.clear(self, set_to_zero)
    elif set_to_zero and self._grad is not None:
        # The zeros are made when somebody looks; the next backward writes over them.
        self.grad_cleared = True
    else:
        self._grad, self.grad_cleared = None, False


def clear_grad(self: Tensor) -> None:
    """Set an existing gradient to zeros, as in Paddle."""
    clear_gradient(self)


def gradient(self: Tensor) -> Any:
    """The gradient as a numpy array, or None."""
    return None if self.grad is None else self.grad.numpy()


def retain_grads(self: Tensor) -> None:
    """Keep the gradient of this result of ops in `.grad` when backward passes through it."""
    leaves = getattr(tracer.get(), "inner_leaves", None)
    if leaves is not None:
        leaves.append(self)
        return
    if self.node is None or self.keeps_grad:
        return

    def keep(grad: Tensor) -> None:
        held = self._grad
        self._grad = Tensor(grad.array.copy()) if held is None else held + grad

    self.keeps_grad = True
    autograd.register_hook(self, keep)


def detach(self: Tensor) -> Tensor:
    """The same data off the tape: shares the memory, stop_gradient is True."""
    return Tensor(self.array, True, self.storage)


def detach_(self: Tensor) -> Tensor:
    """Take this Tensor itself off the tape."""
    self.node, self.stop_gradient = None, True
    return self


def astype(self: Tensor, dtype: Any) -> Tensor:
    """A copy in another dtype."""
    return math.cast(self, dtype)


def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """This Tensor in another dtype or like another Tensor; the device can only be the CPU."""
    wanted = [*args, *kwargs.values()]
    for value in wanted:
        if isinstance(value, Tensor):
            return cast_to(self, value.dtype)
        if value is None or isinstance(value, (bool, CPUPlace)) or value == "cpu":
            continue
        return cast_to(self, as_dtype(value))
    return self


def same(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """This Tensor: it is on the CPU and contiguous access is the ops' business."""
    return self


def set_value(self: Tensor, value: Any) -> None:
    """Write new data of the same shape into this Tensor, off the tape (also into a leaf).

    Raises ValueError for another shape, or a dtype other than this Tensor's.
    """
    source = value if isinstance(value, Tensor) else to_tensor_like(np.asarray(value))
    if source.shape != self.shape:
        raise ValueError(
            f"Variable Shape not match, Variable [ {self.name} ] need tensor with shape "
            f"{self.shape} but load set tensor with shape {source.shape}"
        )
    if source.dtype is not self.dtype:
        raise ValueError(
            f"Variable dtype not match, Variable [ {self.name} ] need tensor with dtype "
            f"{self.dtype.name} but load tensor with dtype {source.dtype.name}"
        )
    update_buffer(self, source)


def copy_(self: Tensor, other: Tensor, blocking: bool = True) -> Tensor:
    """Write the data of `other` (same shape) into this Tensor, off the tape."""
    update_buffer(self, shape.expand(cast_to(other, self.dtype), self.shape))
    return self


def fill_(self: Tensor, value: Any) -> Tensor:
    """Write one number everywhere; returns this Tensor."""
    return write(self, creation.full_like(self.detach(), value))


def zero_(self: Tensor) -> Tensor:
    """Write 0 everywhere; returns this Tensor."""
    return fill_(self, 0)


def uniform_(
    self: Tensor, min: float = -1.0, max: float = 1.0, seed: int = 0, name: str | None = None
) -> Tensor:
    """Fill with uniform numbers in [min, max); returns this Tensor."""
    update_buffer(self, random.uniform(self.shape, self.dtype, min, max, seed))
    return self


def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, name: str | None = None) -> Tensor:
    """Fill with normal numbers; returns this Tensor."""
    update_buffer(self, random.gaussian(self.shape, mean, std, self.dtype))
    return self


def dim(self: Tensor) -> int:
    """The number of axes."""
    return self.ndim


def transposed(self: Tensor) -> Tensor:
    """The Tensor with its axes in reverse order."""
    return shape.transpose(self, list(range(self.ndim))[::-1])


def value_or_slice(self: Tensor) -> Tensor:
    """This Tensor (Paddle 1.x)."""
    return self


def getitem(self: Tensor, index: Any) -> Tensor:
    """self[index]; see wherry.ops.indexing."""
    return indexing.getitem(self, index)


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """self[index] = value; see wherry.ops.indexing."""
    indexing.setitem(self, index, value)


METHODS: dict[str, Any] = {
    "backward": backward, "clear_gradient": clear_gradient, "clear_grad": clear_grad,
    "gradient": gradient, "retain_grads": retain_grads, "register_hook": autograd.register_hook,
    "detach": detach, "detach_": detach_, "astype": astype, "to": to, "cpu": same,
    "pin_memory": same,
    "contiguous": same, "value": value_or_slice, "set_value": set_value, "copy_": copy_,
    "fill_": fill_,
    "zero_": zero_, "uniform_": uniform_, "normal_": normal_, "dim": dim, "ndimension": dim,
    "__getitem__": getitem, "__setitem__": setitem,
    "T": property(transposed), "data": property(detach),
    "is_contiguous": lambda self: bool(self.array.flags.c_contiguous),
}  # fmt: skip


def attach_methods() -> None:
    """Give class Tensor everything of the tables above."""
    for name, function in operators.OPERATORS.items():
        setattr(Tensor, name, function)
    for module, names in FUNCTIONS.items():
        for name in names.split():
            setattr(Tensor, name, getattr(module, name))
    for name in INPLACE.split():
        setattr(Tensor, name + "_", inplace(getattr(Tensor, name)))
    for name in RESHAPING.split():
        setattr(Tensor, name + "_", reshaping(getattr(Tensor, name)))
    for name, method in METHODS.items():
        setattr(Tensor, name, method)


attach_methods()
