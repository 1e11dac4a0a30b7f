"""The eager Tensor: shared storage, a numpy view on it, and its place on the autograd tape.

Views alias: `reshape`, `detach`, slices and their like share the storage of their base, with one
version counter that every write in place advances. Operators and most methods are attached by
`wherry.ops.methods` from one table; here is what needs the representation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from wherry.schema.dtypes import DType, as_dtype
from wherry.schema.errors import WherryError

from .device import CPUPlace, expected_place
from .observers import told_of_reads, traced_grads
from .unique_name import generate

if TYPE_CHECKING:
    from .autograd import GradNode

Array = np.ndarray[Any, Any]

_DTYPES: dict[Any, DType] = {}


def dtype_of(array: Array) -> DType:
    """The DType of an array's elements."""
    found = _DTYPES.get(array.dtype)
    if found is None:
        found = _DTYPES[array.dtype] = as_dtype(array.dtype)
    return found


class OneElementError(WherryError, ValueError, AssertionError):
    """A Tensor of several elements was used as a Python number."""


class ZeroDimError(WherryError, TypeError, AssertionError):
    """A 0-d Tensor was used as a sequence."""


class Storage:
    """What all views of one memory share.

    `version` counts the writes in place; `tracked` those that are on the tape, so that a base whose
    history a view has overtaken is known.
    """

    __slots__ = ("_version", "tracked")

    def __init__(self) -> None:
        self._version = 0
        self.tracked = 0

    @property
    def version(self) -> int:
        return self._version

    @version.setter
    def version(self, value: int) -> None:
        self._version = value
        LAST_WRITE.stamp = next(_stamps)


class _LastWrite:
    """`stamp` becomes another number with each write to any Tensor: while it is the same, so are
    the versions of all Storages."""

    __slots__ = ("stamp",)

    def __init__(self) -> None:
        self.stamp = 0


# Numbers that come once: what one thread notes never looks like what another one saw.
_stamps = count(1)
LAST_WRITE: Final = _LastWrite()


class Tensor:
    """A multi-dimensional array that knows how it was computed.

    Made by `paddle.to_tensor`, by creation functions and by ops. `stop_gradient` True (the default)
    keeps it off the tape.

    >>> import wherry as paddle
    >>> x = paddle.to_tensor([1.0, 2.0], stop_gradient=False)
    >>> (x * x).sum().backward()
    >>> x.grad.tolist()
    [2.0, 4.0]
    """

    # Defaults on the class keep the making of a Tensor quick.
    array: Array
    storage: Storage
    stop_gradient: bool
    persistable: bool = False
    trainable: bool = False
    node: GradNode | None = None
    node_index: int = 0
    history: int = 0
    _grad: Tensor | None = None
    grad_cleared: bool = False
    _name: str | None = None
    hooks: dict[int, Callable[[Tensor], Tensor | None]] | None = None
    keeps_grad: bool = False
    # Whether it is what a Python number has become in a trace, as a tensor decides its value.
    stands_for_number: bool = False
    name_prefix: ClassVar[str] = "eager_tmp"
    __array_priority__: ClassVar[float] = 1000.0

    def __init__(self, array: Array, stop_gradient: bool = True, storage: Storage | None = None,
                 name: str | None = None) -> None:  # fmt: skip
        self.array = array
        self.storage = Storage() if storage is None else storage
        self.stop_gradient = stop_gradient
        if storage is not None:
            self.history = storage.tracked
        if name is not None:
            self._name = name

    # What it is.

    @property
    def shape(self) -> list[Any]:
        """The sizes, a list of ints."""
        return list(self.array.shape)

    @property
    def dtype(self) -> DType:
        return dtype_of(self.array)

    @property
    def ndim(self) -> int:
        return self.array.ndim

    @property
    def size(self) -> int:
        """The number of elements, an int."""
        return self.array.size

    @property
    def place(self) -> CPUPlace:
        return expected_place()

    @property
    def name(self) -> str:
        if self._name is None:
            self._name = generate(self.name_prefix)
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        self._name = value

    @property
    def is_leaf(self) -> bool:
        """True if no op on the tape made it."""
        return self.node is None

    @property
    def inplace_version(self) -> int:
        """How often the storage was written in place."""
        return self.storage.version

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` accumulated, or None."""
        traced = traced_grads.get()
        return self.kept_grad() if traced is None else traced.get(self)

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None and value.shape != self.shape:
            raise ValueError(f"grad needs the shape {self.shape}, got {value.shape}")
        traced = traced_grads.get()
        if traced is not None:
            traced.set(self, value)
            return
        self._grad, self.grad_cleared = value, False

    def kept_grad(self) -> Tensor | None:
        """The gradient that the Tensor holds, whatever is being traced."""
        if self.grad_cleared:
            self.grad_cleared = False
            if self._grad is not None:
                self._grad.array = np.zeros_like(self._grad.array)
                self._grad.storage.version += 1
        return self._grad

    # What it holds.

    def numpy(self) -> Array:
        """A copy of the data as a numpy array of the same shape and dtype."""
        self._tell_of_read()
        return self.array.copy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False and dtype in (None, self.array.dtype):
            self._tell_of_read()
            view = self.array.view()
            view.flags.writeable = False  # a write that no version counts would not be seen
            return view
        return np.array(self.numpy(), dtype=dtype)

    def _tell_of_read(self) -> None:
        """What Python makes of the data is baked into a Program that is traced now."""
        told = told_of_reads.get()
        if told is not None:
            told(self)

    def item(self, *index: int) -> Any:
        """One element as a Python number; without an index the Tensor must hold exactly one."""
        array = self.numpy()
        if not index and array.size != 1:
            raise OneElementError(
                "(InvalidArgument) only one element tensors can be converted to Python scalars "
                f"when no input coordinates, got shape {self.shape}; give an index, or use tolist()"
            )
        return array.item(*index)

    def tolist(self) -> Any:
        """Nested lists of Python numbers; a number for a 0-d Tensor."""
        return self.numpy().tolist()

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    def __len__(self) -> int:
        if not self.ndim:
            raise ZeroDimError("len() of a 0-D tensor is wrong")
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise ZeroDimError("iteration over a 0-D tensor is wrong")
        return (self[i] for i in range(self.shape[0]))

    def __bool__(self) -> bool:
        if self.size != 1:
            raise OneElementError(
                "When Variable is used as the condition of if/while , Variable can only contain "
                f"one element, got shape {self.shape}; use .any() or .all()"
            )
        return bool(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __index__(self) -> int:
        if not self.dtype.is_integer:
            raise TypeError(f"a tensor used as an index must be an integer, got {self.dtype.name}")
        return int(self.item())

    def as_dim(self) -> Any:
        """An integer Tensor of one element as a size: an int, in a trace also a symbol."""
        if not self.dtype.is_integer:
            raise TypeError(f"a size must be an integer Tensor, got {self.dtype.name}{self.shape}")
        return int(self.item())

    def as_dims(self) -> list[Any]:
        """The values of a 1-d integer Tensor as sizes."""
        return [one.as_dim() for one in self]

    def __complex__(self) -> complex:
        return complex(self.item())

    def __hash__(self) -> int:
        return id(self)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self.size == 1 else str(self)

    def __repr__(self) -> str:
        from .printing import tensor_to_string

        return tensor_to_string(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self.node is not None:
            raise RuntimeError(
                "only leaf Tensors can be deep-copied; use x.detach().clone() for a result of ops"
            )
        twin = self.copy_as_leaf()
        if self._name is not None:
            twin._name = self._name + generate("_deepcopy")
        memo[id(self)] = twin
        return twin

    def copy_as_leaf(self) -> Tensor:
        """A leaf of the same class and flags with a copy of the data."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(
            {
                k: v
                for k, v in self.__dict__.items()
                if k not in ("_name", "_grad", "grad_cleared", "hooks")
            }
        )
        twin.array, twin.storage, twin.history = self.array.copy(), Storage(), 0
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.array, {"stop_gradient": self.stop_gradient,
                          "persistable": self.persistable, "_name": self._name})  # fmt: skip

    if TYPE_CHECKING:
        # Attached by wherry.ops.methods.
        def __getattr__(self, name: str) -> Any: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...


class Parameter(Tensor):
    """A Tensor that training changes: persistable, on the tape, updated by optimizers.

    Paddle calls it EagerParamBase; `paddle.ParamBase` and `paddle.framework.EagerParamBase` are
    this class.
    """

    name_prefix: ClassVar[str] = "param"

    def __init__(self, array: Array, trainable: bool = True, name: str | None = None) -> None:
        super().__init__(array, not trainable, name=name)
        self.persistable = True
        self.optimize_attr = {"learning_rate": 1.0}
        self.regularizer: Any = None
        self.need_clip = True
        self.is_distributed = False

    @property
    def trainable(self) -> bool:
        """Whether optimizers change it: the opposite of stop_gradient."""
        return not self.stop_gradient

    @trainable.setter
    def trainable(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise ValueError(f"trainable must be a bool, got {type(value).__name__}")
        self.stop_gradient = not value

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


def _rebuild(cls: type[Tensor], array: Array, state: dict[str, Any]) -> Tensor:
    tensor = cls(array)
    tensor.__dict__.update(state)
    return tensor


if not TYPE_CHECKING:
    _ARRAYS = ("array_length", "array_read", "array_write", "create_array", "fill_constant")

    def __getattr__(name: str) -> Any:
        """`paddle.tensor.add` and the like: the functions of `paddle`, and those of arrays."""
        from importlib import import_module

        package = import_module(__package__)
        if name in package._TABLE:
            return getattr(package, name)
        if name in _ARRAYS:
            return getattr(import_module(".ops.array", __package__), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
