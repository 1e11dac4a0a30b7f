"""Errors of traced code: the message shows the user's own lines, as in

    In transformed code:

        File "net.py", line 12, in forward
            def forward(self, x):
                x = self.linear(x)
                return x.reshape([7, 7])
                       ~~~~~~~~~~~~~~~~~ <--- HERE

and the traceback leaves wherry's own frames out, unless WHERRY_DEBUG is set.
"""

from __future__ import annotations

import linecache
import os
import sysconfig
import types
from collections.abc import Iterator
from textwrap import dedent
from typing import NamedTuple

from wherry.schema.errors import ConversionError, Loc, OpError, WherryError

from ..location import location_of, position_of
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


class Step(NamedTuple):
    """One of the user's frames, the line it is at, and the instruction."""

    frame: types.FrameType
    line: int
    instruction: int


def describe(error: BaseException) -> None:
    """Put the user's lines into the message, once, and take our frames out of the traceback."""
    if unprocessed():
        return
    steps = _users(error.__traceback__)
    if steps and not getattr(error, "_wherry_described", False):
        _prepend(error, _text(steps), steps[-1])
    hide_frames(error)


def frame_of(error: BaseException) -> types.FrameType | None:
    """The user's frame that raised an error, or called what did."""
    steps = _users(error.__traceback__)
    return steps[-1].frame if steps else None


def line_of(error: BaseException) -> Loc | None:
    """The user's line that raised an error."""
    steps = _users(error.__traceback__)
    return location_of(steps[-1].frame.f_code.co_filename, steps[-1].line) if steps else None


def show_users_lines(error: BaseException) -> None:
    """For what leaves a static function: the user's lines and frames, where the error is of the
    user's code or data. One of ours keeps its frames.
    """
    if unprocessed():
        return
    if isinstance(error, WherryError):
        _describe_run(error)
    if isinstance(error, WherryError) or getattr(error, "_wherry_described", False):
        hide_frames(error)


def unprocessed() -> bool:
    """Whether errors are to be left as they are raised: TRANSLATOR_DISABLE_NEW_ERROR=1."""
    return os.environ.get("TRANSLATOR_DISABLE_NEW_ERROR", "0") not in ("", "0")


def mark_users(error: BaseException) -> None:
    """Say that an error is about what the user gave: it is shown without our frames."""
    error.__dict__["_wherry_described"] = True


def hide_frames(error: BaseException) -> None:
    """Take our frames out of the traceback, unless WHERRY_DEBUG is set, and out of those of the
    errors behind it.
    """
    if os.environ.get("WHERRY_DEBUG") or unprocessed():
        return
    shown: BaseException | None = error
    while shown is not None:
        shown.with_traceback(_only_users(shown.__traceback__))
        shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)


def _describe_run(error: WherryError) -> None:
    """Put the lines around the one that compiled code stopped at into the message, once."""
    loc = error.loc
    if loc is None or getattr(error, "_wherry_described", False):
        return
    shown = _excerpt(loc.file, loc.line, None)
    if shown and not isinstance(error, OpError):
        mark_users(error)
        text = str(error).removesuffix(f"\n  at {loc}")
        head = f'In transformed code:\n\n    File "{loc.file}", line {loc.line}\n'
        error.args = (f"{head}{shown}\n\n{text}",)


def _endless(error: RecursionError) -> str:
    """The message for a function that calls itself without an end while it is traced."""
    steps = [step for step in _steps(error.__traceback__) if not _is_ours(step.frame)]
    seen: dict[tuple[types.CodeType, int], Step] = {}
    for step in steps:
        seen.setdefault((step.frame.f_code, step.line), step)
    return _text(list(seen.values())) + (
        "these calls do not end while the code is traced: both sides of a condition on a "
        "tensor are traced, so it cannot end a recursion; write a `while` loop, or let "
        "the recursion end by a Python value"
    )


def _steps(traceback: types.TracebackType | None) -> Iterator[Step]:
    while traceback is not None:
        yield Step(traceback.tb_frame, traceback.tb_lineno, traceback.tb_lasti)
        traceback = traceback.tb_next


def _users(traceback: types.TracebackType | None) -> list[Step]:
    """The user's frames; those that run a part of a function stand for the function.

    What a library does inside is left out, where the user's own code called it.
    """
    steps = [step for step in _steps(traceback) if not _is_ours(step.frame)]
    steps = [step for step in steps if not _is_library(step.frame)] or steps
    following: list[Step | None] = [*steps[1:], None]
    return [
        step for step, after in zip(steps, following, strict=False)
        if after is None or not _is_part(step.frame, after.frame)
    ]  # fmt: skip


def _is_part(frame: types.FrameType, inner: types.FrameType) -> bool:
    """Whether `inner` runs a body of a branch or loop of the function that `frame` runs."""
    outer_code, code = frame.f_code, inner.f_code
    return (
        outer_code is not code
        and outer_code.co_qualname == code.co_qualname
        and outer_code.co_filename == code.co_filename
    )


_LIBRARIES = tuple(
    {os.path.join(os.path.realpath(sysconfig.get_path(key)), "") for key in ("stdlib", "purelib")}
)


def _is_library(frame: types.FrameType) -> bool:
    return os.path.realpath(frame.f_code.co_filename).startswith(_LIBRARIES)


def _is_ours(frame: types.FrameType) -> bool:
    return is_library_file(frame.f_code.co_filename)


def _text(steps: list[Step]) -> str:
    lines = [HEAD, ""]
    for step in steps:
        code = step.frame.f_code
        lines.append(f'    File "{code.co_filename}", line {step.line}, in {code.co_name}')
        source = linecache.getline(code.co_filename, step.line, step.frame.f_globals).strip()
        if step is not steps[-1]:
            lines += [f"        {source}"] if source else []
            continue
        shown = _excerpt(code.co_filename, step.line, _columns(step))
        lines.append(shown or "        ~~~~ <--- HERE")
    return "\n".join([*lines, "", ""])


def _columns(step: Step) -> tuple[int, int] | None:
    """Where the expression that is being evaluated stands in its line, in bytes."""
    first, last, start, end = position_of(step.frame.f_code, step.instruction)
    if first != step.line or start is None or end is None:
        return None
    return start, end if last == first else -1


def _excerpt(filename: str, line: int, columns: tuple[int, int] | None) -> str:
    """The five lines around one, with a marker under the expression; "" without the source."""
    source = linecache.getlines(filename)
    if not 0 < line <= len(source):
        return ""
    text = source[line - 1].rstrip()
    code = text.strip()
    if columns is None:
        start, end = text.index(code) if code else 0, len(text)
    else:
        raw = text.encode()
        start = len(raw[: columns[0]].decode(errors="ignore"))
        end = len(raw[: columns[1]].decode(errors="ignore")) if columns[1] >= 0 else len(text)
    marker = " " * start + "~" * max(end - start, 1) + " <--- HERE"
    around = [one.rstrip() for one in source[max(line - 3, 0) : line + 2]]
    around.insert(min(line, 3), marker)
    shown = dedent("\n".join(around)).strip("\n")
    return "\n".join(f"        {one}".rstrip() for one in shown.split("\n"))


def _prepend(error: BaseException, text: str, last: Step) -> None:
    """Change the message in place where the exception's class shows `args[0]`; else add a note."""
    mark_users(error)
    if isinstance(error, OpError):
        # The line stands in the text now: shown once is enough.
        error.message, error.op, error.loc = text + _without_line(error.told(), last), "", None
    elif type(error).__str__ is BaseException.__str__ and len(error.args) == 1:
        error.args = (f"{text}{_without_line(str(error.args[0]), last)}",)
    else:
        error.add_note(text.rstrip())


def _without_line(message: str, last: Step) -> str:
    """The message without the line that the text above it shows."""
    loc: Loc = location_of(last.frame.f_code.co_filename, last.line)
    return message.removesuffix(f"\n  at {loc}")


def _only_users(traceback: types.TracebackType | None) -> types.TracebackType | None:
    """The traceback without wherry's frames."""
    kept: types.TracebackType | None = None
    for frame, line, instruction in reversed(_users(traceback)):
        kept = types.TracebackType(kept, frame, instruction, line)
    return kept
