"""Errors of traced code: the message names the user's own lines, as in

    In transformed code:

        File "net.py", line 12, in forward
            out = self.linear(x)
            ~~~~~~~~~~~~~~~~~~~~ <--- HERE

and the traceback leaves wherry's own frames out, unless WHERRY_DEBUG is set.
"""

from __future__ import annotations

import linecache
import os
import types
from collections.abc import Iterator

from wherry.schema.errors import ConversionError, OpError

from .source import is_library_file

HEAD = "In transformed code:"


class user_errors:
    """Give errors raised inside the user's lines; what is raised keeps its type."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        # contextlib would put the traceback back as it was.
        if isinstance(error, RecursionError):
            raise ConversionError(_endless(error)) from None
        if isinstance(error, Exception):
            describe(error)


def describe(error: BaseException) -> None:
    """Put the user's lines into the message, once, and take our frames out of the traceback."""
    frames = [
        (frame, line)
        for frame, line in _frames(error.__traceback__)
        if not _is_ours(frame) and not _is_outer_part(frame, error.__traceback__)
    ]
    if frames and not getattr(error, "_wherry_described", False):
        _prepend(error, _text(frames))
    if not os.environ.get("WHERRY_DEBUG"):
        error.with_traceback(_only_users(error.__traceback__))


def _endless(error: RecursionError) -> str:
    """The message for a function that calls itself without an end while it is traced."""
    frames = [one for one in _frames(error.__traceback__) if not _is_ours(one[0])]
    seen: dict[tuple[types.CodeType, int], tuple[types.FrameType, int]] = {}
    for frame, line in frames:
        seen.setdefault((frame.f_code, line), (frame, line))
    return _text(list(seen.values())) + (
        "these calls do not end while the code is traced: both sides of a condition on a "
        "tensor are traced, so it cannot end a recursion; write a `while` loop, or let "
        "the recursion end by a Python value"
    )


def _frames(traceback: types.TracebackType | None) -> Iterator[tuple[types.FrameType, int]]:
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def _is_outer_part(frame: types.FrameType, traceback: types.TracebackType | None) -> bool:
    """Whether a further frame runs a body of a branch or loop of the same function: it is shown."""
    users = [one for one, _ in _frames(traceback) if not _is_ours(one)]
    following = users[users.index(frame) + 1 : users.index(frame) + 2]
    return any(
        frame.f_code is not one.f_code
        and frame.f_code.co_qualname == one.f_code.co_qualname
        and frame.f_code.co_filename == one.f_code.co_filename
        for one in following
    )


def _is_ours(frame: types.FrameType) -> bool:
    return is_library_file(frame.f_code.co_filename)


def _text(frames: list[tuple[types.FrameType, int]]) -> str:
    lines = [HEAD, ""]
    for position, (frame, line) in enumerate(frames):
        code = frame.f_code
        lines.append(f'    File "{code.co_filename}", line {line}, in {code.co_name}')
        text = linecache.getline(code.co_filename, line, frame.f_globals).strip()
        if text:
            lines.append(f"        {text}")
        if position == len(frames) - 1:
            lines.append("        " + "~" * max(len(text), 4) + " <--- HERE")
    return "\n".join([*lines, "", ""])


def _prepend(error: BaseException, text: str) -> None:
    """Change the message in place where the exception's class shows `args[0]`; else add a note."""
    error.__dict__["_wherry_described"] = True
    if isinstance(error, OpError):
        # The line stands in the text now: shown once is enough.
        error.message, error.op, error.loc = text + str(error), "", None
    elif type(error).__str__ is BaseException.__str__ and len(error.args) == 1:
        error.args = (f"{text}{error.args[0]}",)
    else:
        error.add_note(text.rstrip())


def _only_users(traceback: types.TracebackType | None) -> types.TracebackType | None:
    """The traceback without wherry's frames."""
    kept: types.TracebackType | None = None
    for frame, (last, line) in reversed(list(_positions(traceback))):
        if not _is_ours(frame) and not _is_outer_part(frame, traceback):
            kept = types.TracebackType(kept, frame, last, line)
    return kept


def _positions(
    traceback: types.TracebackType | None,
) -> Iterator[tuple[types.FrameType, tuple[int, int]]]:
    while traceback is not None:
        yield traceback.tb_frame, (traceback.tb_lasti, traceback.tb_lineno)
        traceback = traceback.tb_next
