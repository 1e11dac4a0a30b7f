"""Tensors of which Python read the data while a function was traced: what it made of them is baked
into the Program, which serves calls for as long as they hold the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from wherry.schema.errors import ConversionError
from wherry.tensor import Storage, Tensor

from .state import at_line

if TYPE_CHECKING:
    from .tracer import ProgramTracer


class Read:
    """What a Tensor held when it was read."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor, self.array = tensor, tensor.array.copy()
        self._version = self._version_now()

    def differs(self) -> bool:
        """Whether it holds something else now."""
        version = self._version_now()
        if version == self._version:
            return False
        if not _equal(self.tensor.array, self.array):
            return True
        self._version = version
        return False

    def _version_now(self) -> tuple[Storage, int]:
        return self.tensor.storage, self.tensor.storage.version


class Reads:
    """The reads of one trace."""

    def __init__(self, build: ProgramTracer) -> None:
        self._build = build
        self._found: dict[int, Read] = {}

    def note(self, tensor: Tensor) -> None:
        """Python is about to read the data. ConversionError where the function wrote it before."""
        value = self._build.current.get(id(tensor))
        if value is not None and value.variable is not self._build.capture(tensor):
            _refuse(tensor)
        if id(tensor) not in self._found:
            self._found[id(tensor)] = Read(tensor)

    def all(self) -> list[Read]:
        """Each Tensor once."""
        return list(self._found.values())


def _refuse(tensor: Tensor) -> NoReturn:
    raise ConversionError(
        f"the tensor {tensor.name} was written before in this function, so that only the call "
        "knows what it holds: it cannot be used as a Python value or a numpy array here. Use "
        f"tensor operations, or read it before it is written{at_line()}"
    )


def _equal(one: np.ndarray[Any, Any], two: np.ndarray[Any, Any]) -> bool:
    """Whether Python would see no difference."""
    return one.dtype == two.dtype and one.shape == two.shape and one.tobytes() == two.tobytes()
