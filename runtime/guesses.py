"""Sizes that are known in the middle of a call only, and are guessed before it.

A list that grows under a tensor's control lies in a buffer with room for so many elements, and
`paddle.stack` of it has a shape with its length. Memory is planned before the call, so such a size
is that of a hidden input. Compiled code that finds it wrong stops with a ResizeError, before it
wrote anything, and is called again with the size that it asks for. The sizes that were right are
the guesses for the next call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from wherry.schema.errors import InputError, ResizeError
from wherry.schema.output import held_back, show

Array = np.ndarray[Any, Any]
Result = TypeVar("Result")


class Guesses:
    """The guesses for the hidden inputs of these names; several threads may use them at once."""

    def __init__(self, names: Sequence[str]) -> None:
        # One size broadcasts, so that guards on sizes hold for it where they can.
        self._first = dict.fromkeys(names, 1)
        # Replaced, never changed: each call goes on from the sizes that it began with.
        self._sizes = self._first

    def run(self, call: Callable[[list[Array]], Result]) -> Result:
        """What `call` returns for the hidden inputs, called again where a guess was wrong.

        What a call with a wrong guess printed is not shown: the next one prints it again.
        """
        sizes = remembered = self._sizes
        while sizes:
            try:
                with held_back() as text:
                    result = call([np.zeros(size, np.bool_) for size in sizes.values()])
            except ResizeError as error:
                sizes = {**sizes, error.size: error.value}
                continue
            except InputError:
                # What another call needed may not fit the sizes of this one's arguments.
                if sizes is not remembered or sizes == self._first:
                    raise
                sizes = self._first
                continue
            except BaseException:
                show(text.getvalue(), end="")
                raise
            show(text.getvalue(), end="")
            self._sizes = sizes
            return result
        return call([])
