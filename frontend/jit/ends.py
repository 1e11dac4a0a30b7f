"""Errors of code of which a tensor decides whether it runs: the calls that come there raise them.

Such an error is an `assert` op, of the kind, the message and the line that dynamic mode has, unless
a `try` around catches it (`regions.py`).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from wherry.schema.errors import Loc, WherryError
from wherry.tensor import ZeroDimError

from ..location import user_location
from ..traced import Traced
from .regions import Thrown, is_awaited, is_caught
from .report import frame_of, line_of
from .signals import BranchEnds, NeedsSizes
from .source import is_library_file, is_part

if TYPE_CHECKING:
    from types import FrameType

    from .tracer import ProgramTracer

# The mark of an exception that ends the call: the line that raises it.
RAISED: Final = "_wherry_raised"
_UNSET_NAME: Final = re.compile(r"(?:free|local) variable '(\w+)'")


def ending(build: ProgramTracer, body: Callable[[], Any]) -> BaseException | None:
    """Run code of which a tensor decides whether it runs; the error that it ends with."""
    try:
        body()
    except BaseException as error:
        return end_of(build, error)
    return None


def end_of(build: ProgramTracer, error: BaseException) -> BaseException:
    """The error that such code ends with, which raised this one; a mistake is raised at once."""
    if isinstance(error, BranchEnds):
        return _alone(error.error)
    if not isinstance(error, Exception):
        raise error
    caught = is_caught(build, error)
    if isinstance(error, NameError) and (name := unset_name(error)) is not None:
        build.unset_reads.add(name)
        return _alone(_marked(unset_error(error), error))
    if hasattr(error, RAISED):
        return _alone(error)
    if build.open_sizes and caught:
        # What raises it may be that the sizes are open, which the code around is not to see.
        raise NeedsSizes from error
    # In static mode Python builds the branch, so that the mistake is in what builds it.
    is_mistake = isinstance(error, NameError) or not _is_of_the_call(error)
    if build.open_sizes or not build.converts or (is_mistake and not caught):
        raise error
    if not caught:
        _warn(build, f"{type(error).__name__}: {error}", line_of(error) or user_location())
    return _alone(_marked(error, error))


def _warn(build: ProgramTracer, error: str, loc: Loc | None) -> None:
    """Tell once of an error that calls may raise."""
    if (error, loc) not in build.warned:
        build.warned.add((error, loc))
        logging.getLogger("wherry.jit").warning(
            "%s: the calls that come to this line, as a tensor decides, raise %s", loc, error
        )


def _is_of_the_call(error: Exception) -> bool:
    """Whether Python raises it, of values that the code has; a wrong shape is a mistake to tell at
    once, and so is what cannot be converted.
    """
    if isinstance(error, ZeroDimError):
        return True
    return not isinstance(error, (WherryError, RecursionError))


def _marked(error: Exception, raised: Exception) -> Exception:
    setattr(error, RAISED, line_of(raised))
    return error


def _alone(error: BaseException) -> BaseException:
    """The error without the frames that it went through, which hold what they have written."""
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)


def unset_name(error: NameError) -> str | None:
    """The variable of the user's function that was read before it had a value."""
    found = _UNSET_NAME.search(str(error))
    return None if found is None else found[1]


def unset_error(error: NameError) -> NameError:
    """Python's own error for the function as the user wrote it, not in parts."""
    name = unset_name(error)
    if name is None or not _is_local(name, frame_of(error)):
        return error
    return UnboundLocalError(unset_text(name))


def _is_local(name: str, frame: FrameType | None) -> bool:
    """Whether the user's function that the frame runs, or runs a part of, has this variable."""
    while frame is not None:
        code = frame.f_code
        if not is_library_file(code.co_filename):
            if name in code.co_varnames or name in code.co_cellvars:
                return True
            if name in code.co_freevars and not is_part(code):
                return False
        frame = frame.f_back
    return False


def unset_text(name: str) -> str:
    """Python's words for a variable that has no value."""
    return f"cannot access local variable '{name}' where it is not associated with a value"


def emit_error(build: ProgramTracer, holds: Traced, error: BaseException) -> None:
    """End the call with this error unless `holds`. Its line is that of the `raise`, if any."""
    kind = AssertionError if isinstance(error, ZeroDimError) else type(error)
    name = kind.__name__ if kind.__module__ == "builtins" else kind.__qualname__
    message = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    build.emit("assert", holds, [], message=message, error=name)
    op = build.frames[-1].block.ops[-1]
    op.loc = getattr(error, RAISED, None) or op.loc


def end_unless(flag: Traced, wanted: bool, error: BaseException) -> None:
    """End the call with this error, or its `try`, unless the flag is `wanted`; what follows knows
    that it is.
    """
    from .sides import throw

    build = flag.tracer
    if is_awaited(build, error):
        raised = build.emit("logical_not", flag) if wanted else flag
        throw(build, [Thrown(raised, error)])
        return
    holds = flag if wanted else build.emit("logical_not", flag)
    emit_error(build, holds, error)
    build.facts.learn(flag, wanted)
