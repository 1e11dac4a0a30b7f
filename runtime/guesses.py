"""Sizes that are known in the middle of a call only, and are guessed before it.

A list that grows under a tensor's control lies in a buffer with room for so many elements, and
`paddle.stack` of it has a shape with its length. Memory is planned before the call, so such a size
is that of a hidden input. Compiled code that finds it wrong stops with a ResizeError, before it
wrote anything, and is called again with the size that it asks for. The sizes that were right are
the guesses for the next call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import numpy as np

from wherry.schema.errors import InputError, ResizeError
from wherry.schema.output import held_back, show

Array = np.ndarray[Any, Any]
Result = TypeVar("Result")
_MOST_TRIED: Final = 256


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
        sizes: dict[str, int] | None = self._sizes
        known: dict[str, int] = {}
        others: Iterator[dict[str, int]] | None = None
        while sizes:
            try:
                with held_back() as text:
                    result = call([np.zeros(size, np.bool_) for size in sizes.values()])
            except ResizeError as error:
                known[error.size] = error.value
                sizes, others = {**sizes, **known}, None
                continue
            except InputError as error:
                if others is None:
                    # Of a size that is known by now it tells more than of a guess.
                    failed, others = error, self._others(known)
                sizes = next(others, None)
                if sizes is None:
                    raise failed from None
                continue
            except BaseException:
                show(text.getvalue(), end="")
                raise
            show(text.getvalue(), end="")
            self._sizes = sizes
            return result
        return call([])

    def _others(self, known: dict[str, int]) -> Iterator[dict[str, int]]:
        """What to try where sizes do not fit those of the arguments: it may be a guess that does
        not, of which nobody has said yet whether it is right.
        """
        # What another call needed may not fit the sizes of this one's arguments.
        start = {**self._first, **known}
        yield start
        unsaid = [name for name in start if name not in known]
        for size in range(_MOST_TRIED + 1):
            yield {**start, **dict.fromkeys(unsaid, size)}
            yield from ({**start, name: size} for name in unsaid)
