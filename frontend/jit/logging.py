"""What is shown of the conversion: `set_code_level` and `set_verbosity`."""

from __future__ import annotations

import inspect
import os
import sys
import types
from collections.abc import Callable

_levels = {"code": int(os.environ.get("TRANSLATOR_CODE_LEVEL", "-1")),
           "verbosity": int(os.environ.get("TRANSLATOR_VERBOSITY", "0"))}  # fmt: skip
_stdout = {"code": False, "verbosity": False}


def set_code_level(level: int = 100, also_to_stdout: bool = False) -> None:
    """Print the converted source of each function when it is converted (level >= 0, to stderr)."""
    _set("code", level, also_to_stdout)


def set_verbosity(level: int = 0, also_to_stdout: bool = False) -> None:
    """Tell of the conversion on stderr. 0: nothing; 1: each function that is converted; 2: its
    source too; 3: what each trace decided too, as `explain()` has it.
    """
    _set("verbosity", level, also_to_stdout)


def _set(name: str, level: int, also_to_stdout: bool) -> None:
    if isinstance(level, bool) or not isinstance(level, int):
        raise TypeError(f"level needs an int, got {type(level).__name__}")
    _levels[name], _stdout[name] = level, bool(also_to_stdout)


def show_conversion(function: types.FunctionType, text: Callable[[], str]) -> None:
    """Tell of a conversion what was asked for."""
    name, code = function.__qualname__, function.__code__
    if _levels["verbosity"] >= 1:
        _say("verbosity", f"to_static converts {name} ({code.co_filename}:{code.co_firstlineno})")
    if _levels["verbosity"] >= 2:
        _say("verbosity", inspect.getsource(code))
    if _levels["code"] >= 0:
        _say("code", f"to_static: {name} becomes\n{text()}\n")


def show_trace(explanation: Callable[[], object]) -> None:
    """Tell what a trace decided, if that was asked for."""
    if _levels["verbosity"] >= 3:
        _say("verbosity", str(explanation()))


def _say(kind: str, text: str) -> None:
    print(text, file=sys.stderr)
    if _stdout[kind]:
        print(text)
