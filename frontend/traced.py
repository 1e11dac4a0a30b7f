"""Traced: the Tensor that stands for a Variable of a Program being built."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, NoReturn

from wherry.ir.dims import SymDim, product
from wherry.ir.program import Variable
from wherry.ir.show import show_var
from wherry.schema.dtypes import DType, int64
from wherry.schema.errors import ConversionError

from .location import user_location
from .tensor import Tensor, ZeroDimError

if TYPE_CHECKING:
    from .jit.tracer import ProgramTracer


class Traced(Tensor):
    """A tensor without data. A write in place lets it stand for another Variable from then on.

    `base` is what it is a view of (with the op that made it), `views` what are views of it: a write
    through one of them is seen in all. `choices` are the tensors of which it is one, as tensors
    decide at the call.
    """

    name_prefix: ClassVar[str] = "tmp"

    def __init__(self, var: Variable, tracer: ProgramTracer) -> None:
        self.variable, self.tracer = var, tracer
        self.base: ViewOf | None = None
        self.views: list[weakref.ref[Traced]] = []
        self.choices: list[Choice] = []
        # Those of them that another tensor may be, too.
        self.sources: list[Tensor] = []
        # Whether it is one of these in any case.
        self.is_chosen = False
        # Of a snapshot: the tensor itself.
        self.origin: Tensor | None = None

    def snapshot(self, of: Tensor | None = None) -> Traced:
        """What the tensor is now, whatever is written later; `of` is what it is the value of."""
        made = self.tracer.traced(self.variable)
        made.origin = next(one for one in (of, self.origin, self) if one is not None)
        return made

    @property
    def stands_for_number(self) -> bool:  # type: ignore[override]
        return self.variable in self.tracer.facts.numbers

    def note_number(self) -> Traced:
        """Let it stand for a Python number: it takes the dtype of tensors that it meets."""
        if self.tracer.converts:
            self.tracer.facts.numbers.add(self.variable)
        return self

    # The data-carrying side of Tensor, which is not there.

    @property
    def array(self) -> NoReturn:  # type: ignore[override]
        self._no_value("its value")

    @property
    def storage(self) -> NoReturn:  # type: ignore[override]
        self._no_value("its storage")

    @property
    def stop_gradient(self) -> bool:
        return self.variable.stop_gradient

    @stop_gradient.setter
    def stop_gradient(self, value: bool) -> None:
        self.tracer.set_stop_gradient(self, bool(value))

    @property
    def shape(self) -> list[Any]:
        """The sizes: ints, and a Size for each that is not known."""
        from .jit.sizes import size_of

        return [size_of(dim) for dim in self.variable.shape]

    @property
    def dtype(self) -> DType:
        return self.variable.dtype

    @property
    def ndim(self) -> int:
        return len(self.variable.shape)

    @property
    def size(self) -> Any:
        from .jit.sizes import size_of

        return size_of(product(self.variable.shape))

    @property
    def name(self) -> str:
        return self.variable.name

    @name.setter
    def name(self, value: str) -> None:
        self._no_value("another name")

    @property
    def is_leaf(self) -> bool:
        return self.variable.op is None

    @property
    def persistable(self) -> bool:  # type: ignore[override]
        return self.variable.persistable

    @property
    def inplace_version(self) -> int:
        return 0

    def numpy(self) -> Any:
        """The tensor itself: `int(x.numpy())` traces. numpy functions on it are refused."""
        return self

    def __array_function__(self, function: Any, *_: Any) -> NoReturn:
        self._no_value(f"an argument of numpy.{function.__name__}")

    def item(self, *index: int) -> Traced:
        """One element as a 0-d tensor of the Program."""
        chosen: Any = self[index] if index else self
        if not index and chosen.size != 1:
            raise ValueError(
                f"only one element tensors can be converted to Python scalars, got {chosen.shape}"
            )
        found: Traced = chosen.reshape([])
        return found.note_number()

    def tolist(self) -> NoReturn:
        self._no_value("a list of numbers")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        self._no_value("a numpy array")

    def __bool__(self) -> NoReturn:
        self._no_value("a Python bool")

    def __int__(self) -> NoReturn:
        self._no_value("a Python int")

    def __float__(self) -> NoReturn:
        self._no_value("a Python float")

    def __index__(self) -> NoReturn:
        self._no_value("a Python int")

    def __complex__(self) -> NoReturn:
        self._no_value("a Python number")

    def __len__(self) -> int:
        if not self.ndim:
            raise ZeroDimError("len() of a 0-D tensor is wrong")
        size = self.variable.shape[0]
        if isinstance(size, SymDim):
            size = int(self.shape[0])
        return size

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise ZeroDimError("iteration over a 0-D tensor is wrong")
        return (self[i] for i in range(len(self)))

    def __hash__(self) -> int:
        if not self.ndim and not self.dtype.is_float and self.tracer.converts:
            raise ConversionError(
                "a number that a tensor decides cannot be a key of a dict, or be in a set: compare "
                f"it (`n == 1`), or index a list or a tensor with it{_at_line()}"
            )
        return id(self)

    def detach(self) -> Traced:
        """The same values cut off the gradient."""
        cut: Traced = self.tracer.emit("assign", self)
        cut.variable.stop_gradient = True
        return cut

    def detach_(self) -> Traced:
        """Cut this tensor itself off the gradient."""
        self.stop_gradient = True
        return self

    def register_hook(self, hook: Any) -> Any:
        """Let the gradient become what `hook(gradient)` returns, if that is not None."""
        return self._gradients("register_hook").register_hook(self, hook)

    def backward(self, grad_tensor: Tensor | None = None, retain_graph: bool = False) -> None:
        """Add the gradients to the `.grad` of the leaves, as ops of the Program."""
        self._gradients("backward").grads.backward(self, grad_tensor, retain_graph)

    def _gradients(self, name: str) -> Any:
        """The tracer, if it builds gradients where the code asks for them."""
        if not self.tracer.converts:
            raise ConversionError(
                f"{name}() is not there in static mode; use paddle.static.append_backward or "
                f"optimizer.minimize{_at_line()}"
            )
        return self.tracer

    def is_contiguous(self) -> bool:
        return True

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __repr__(self) -> str:
        return show_var(self.variable)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self

    def __reduce__(self) -> NoReturn:
        self._no_value("a pickle")

    def index(self) -> Traced:
        """What `__index__` gives elsewhere, as a 0-d int64 tensor. TypeError for other dtypes."""
        if not self.dtype.is_integer:
            raise TypeError(f"a tensor used as an index must be an integer, got {self.dtype.name}")
        found = self.item()
        return found if found.dtype is int64 else found.astype("int64").note_number()

    def as_dim(self) -> Any:
        """The dim that this 0-d integer tensor is. ConversionError if it depends on data."""
        op = self.variable.op
        while op is not None and op.type in ("cast", "assign", "reshape2"):
            op = op.in_vars[0].op
        if op is not None and op.type == "slice" and op.in_vars[0].ndim == 1:
            return Traced(op.in_vars[0], self.tracer).as_dims()[op.attrs["starts"][0]]
        if op is not None and op.type == "fill_constant" and not op.attrs["shape"]:
            value = op.attrs["value"]
            if isinstance(value, (int, SymDim)) and not isinstance(value, bool):
                return value
        self._no_value("a size, because it depends on data")

    def as_dims(self) -> list[Any]:
        """The dims that this 1-d integer tensor was made of."""
        op = self.variable.op
        if op is not None and op.type == "assign_value":
            return [int(value) for value in op.attrs["values"]]
        if op is not None and op.type in ("shape", "assign"):
            source = op.in_vars[0]
            return (
                list(source.shape) if op.type == "shape" else Traced(source, self.tracer).as_dims()
            )
        if op is not None and op.type in ("stack", "concat"):
            return [Traced(var, self.tracer).as_dim() for var in op.in_vars]
        self._no_value("a shape, because it depends on data")

    def _no_value(self, what: str) -> NoReturn:
        raise ConversionError(
            f"{self!r} is a tensor of a Program that is being built: it has no value yet, so it "
            f"cannot "
            f"be used as {what} here. Use tensor operations, `if`/`while`/`for` statements in a "
            "function that to_static converts, or do this outside of it, with what it returns"
            f"{_at_line()}"
        )


class ViewOf:
    """How a view was made: of which tensor, by which op."""

    __slots__ = ("attrs", "op_type", "source")

    def __init__(self, source: Tensor, op_type: str, attrs: dict[str, Any]) -> None:
        self.source, self.op_type, self.attrs = source, op_type, attrs


class Choice(NamedTuple):
    """A tensor is `source` where the 0-d bool tensor `flag` is `wanted`; with no flag it is a part
    of it, or may be it, as is known inside of a branch only. The flag is True for itself.
    """

    flag: Traced | bool | None
    wanted: bool
    source: weakref.ref[Tensor]


def refuse_foreign(value: Traced, converting: bool) -> NoReturn:
    """Say of which other Program a tensor is, and what to do; `converting` in a static function."""
    if not value.tracer.converts and converting:
        raise ConversionError(
            f"{value.name} is a Variable of a static Program, which has no value of its own. "
            "`paddle.jit.to_static` is only available in dynamic mode. Please call "
            "`paddle.disable_static()` before initializing your Layer class; a net that was built "
            "in static mode is saved by paddle.static.save_inference_model, or by paddle.save of "
            f"its Program's state_dict(){_at_line()}"
        )
    raise ConversionError(
        f"{value!r} belongs to another Program: it was kept from an earlier trace. A traced tensor "
        f"is valid only while its Program is built; return it instead{_at_line()}"
    )


def _at_line() -> str:
    loc = user_location()
    return f"\n  at {loc}" if loc else ""
