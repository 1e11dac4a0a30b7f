"""What is shown of the conversion: `set_code_level` and `set_verbosity`."""

from __future__ import annotations

import os
import sys

_levels = {"code": int(os.environ.get("TRANSLATOR_CODE_LEVEL", "-1")),
           "verbosity": int(os.environ.get("TRANSLATOR_VERBOSITY", "0"))}  # fmt: skip
_stdout = {"code": False, "verbosity": False}


def set_code_level(level: int = 100, also_to_stdout: bool = False) -> None:
    """Print the converted source of each function when it is converted (level >= 0, to stderr)."""
    _set("code", level, also_to_stdout)


def set_verbosity(level: int = 0, also_to_stdout: bool = False) -> None:
    """0: silent; 1 and more: name each function that is converted (to stderr)."""
    _set("verbosity", level, also_to_stdout)


def _set(name: str, level: int, also_to_stdout: bool) -> None:
    if isinstance(level, bool) or not isinstance(level, int):
        raise TypeError(f"level needs an int, got {type(level).__name__}")
    _levels[name], _stdout[name] = level, bool(also_to_stdout)


def show_conversion(name: str, text: str) -> None:
    """Tell of a conversion what was asked for."""
    if _levels["verbosity"] > 0:
        _say("verbosity", f"to_static converts {name}")
    if _levels["code"] >= 0:
        _say("code", f"to_static: {name} becomes\n{text}\n")


def _say(kind: str, text: str) -> None:
    print(text, file=sys.stderr)
    if _stdout[kind]:
        print(text)
