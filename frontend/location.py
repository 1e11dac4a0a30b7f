"""Where in the user's code we are: the innermost frame that is not wherry's own."""

from __future__ import annotations

import linecache
import os
import sys
from functools import lru_cache
from itertools import islice
from types import CodeType, FrameType

from wherry.schema.errors import Loc

# Frames of these modules only pass calls through.
_TRANSPARENT = frozenset({"wherry", "contextlib", "functools", "importlib"})


def user_location() -> Loc | None:
    """The file, line and text of the user's innermost call; None if no user's frame is active."""
    frame = user_frame()
    return None if frame is None else location_of(frame.f_code.co_filename, frame.f_lineno)


def user_frame() -> FrameType | None:
    """The user's innermost frame that is active."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] not in _TRANSPARENT:
            return frame
        frame = frame.f_back
    return None


def position_of(code: CodeType, instruction: int) -> tuple[int | None, ...]:
    """Where the expression of an instruction stands: first and last line, first column and the one
    behind the last, in bytes; None for what is not known.
    """
    return next(islice(code.co_positions(), instruction // 2, None))


@lru_cache(maxsize=4096)
def location_of(filename: str, line: int) -> Loc:
    """A Loc with the path relative to the working directory where the file lies below it."""
    return Loc(_relative(filename), line, linecache.getline(filename, line).strip())


def _relative(filename: str) -> str:
    if filename.startswith("<"):
        return filename
    path = os.path.relpath(filename)
    return filename if path.startswith(os.pardir) else path
