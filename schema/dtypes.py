"""The element types of tensors, with the numbers that Paddle's VarType gives them in files."""

from __future__ import annotations

from typing import Any, Final

import numpy as np


class DType:
    """One element type. There is exactly one object per type, so `is` and `==` agree.

    >>> as_dtype("float32").numpy
    dtype('float32')
    """

    __slots__ = ("code", "label", "name", "numpy")

    def __init__(self, name: str, code: int, label: str) -> None:
        self.name: Final = name
        self.code: Final = code
        self.label: Final = label
        self.numpy: Final[np.dtype[Any]] = np.dtype(name)

    def __repr__(self) -> str:
        return f"paddle.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return as_dtype, (self.name,)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.numpy.itemsize

    @property
    def is_float(self) -> bool:
        return self.numpy.kind == "f"

    @property
    def is_integer(self) -> bool:
        """True for signed and unsigned integers; bool is neither integer nor float."""
        return self.numpy.kind in "iu"


bool_ = DType("bool", 0, "BOOL")
int16 = DType("int16", 1, "INT16")
int32 = DType("int32", 2, "INT32")
int64 = DType("int64", 3, "INT64")
float16 = DType("float16", 4, "FP16")
float32 = DType("float32", 5, "FP32")
float64 = DType("float64", 6, "FP64")
uint8 = DType("uint8", 20, "UINT8")
int8 = DType("int8", 21, "INT8")

DTYPES: Final = (bool_, int8, uint8, int16, int32, int64, float16, float32, float64)
_BY_NAME: Final = {dtype.name: dtype for dtype in DTYPES}
_BY_NUMPY: Final = {dtype.numpy: dtype for dtype in DTYPES}
_BY_CODE: Final = {dtype.code: dtype for dtype in DTYPES}


def as_dtype(spec: Any) -> DType:
    """The DType that a name, a numpy dtype, a Python type or a DType stands for.

    Raises TypeError for anything else: `data type 'foo' not understood`.
    """
    if isinstance(spec, DType):
        return spec
    if isinstance(spec, str) and spec in _BY_NAME:
        return _BY_NAME[spec]
    if isinstance(spec, str):
        raise TypeError(f"data type '{spec}' not understood; wherry has {', '.join(_BY_NAME)}")
    # numpy takes None for float64; a caller who forgot the dtype shall hear of it.
    dtype = None if spec is None else np.dtype(spec)
    if dtype not in _BY_NUMPY:
        raise TypeError(f"data type '{dtype}' not understood; wherry has {', '.join(_BY_NAME)}")
    return _BY_NUMPY[dtype]


def dtype_from_code(code: int) -> DType:
    """The DType with this VarType number. Raises KeyError for a number that is none."""
    return _BY_CODE[code]
