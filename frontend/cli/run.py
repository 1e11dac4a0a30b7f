"""`wherry run SCRIPT`: a Paddle script, unchanged, as the real `__main__`."""

from __future__ import annotations

import os
import sys
import sysconfig
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from .alias import install_alias

SHIM = Path(__file__).parent / "shim"


def run_script(script: str, args: Sequence[str]) -> int:
    """Run a script with `import paddle` meaning wherry; returns 1 where it raised.

    Its own error is shown with the script's frames only; WHERRY_DEBUG=1 shows all frames.
    Raises FileNotFoundError for a script that is not there.
    """
    source = Path(script).read_bytes()
    install_alias()
    _let_children_find_paddle()
    sys.argv = [script, *args]
    sys.path[0] = str(Path(script).resolve().parent)
    main = ModuleType("__main__")
    main.__file__ = script
    sys.modules["__main__"] = main
    try:
        exec(compile(source, script, "exec"), main.__dict__)
    except Exception as error:
        sys.stdout.flush()
        print_users_traceback(error)
        return 1
    return 0


def _let_children_find_paddle() -> None:
    paths = [str(SHIM), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)


def print_users_traceback(error: BaseException) -> None:
    """Print the error to stderr with the user's frames only, or all of them under WHERRY_DEBUG."""
    report = traceback.TracebackException.from_exception(error)
    if not os.environ.get("WHERRY_DEBUG"):
        _keep_users_frames(report)
    print("".join(report.format()), end="", file=sys.stderr)


def _keep_users_frames(report: traceback.TracebackException) -> None:
    """Drop our frames, and library frames that were called by ours, along the chain of causes."""
    kept: list[traceback.FrameSummary] = []
    inside = True
    for frame in report.stack:
        if _is_ours(frame.filename):
            inside = True
        elif not (inside and _is_library(frame.filename)):
            inside = False
            kept.append(frame)
    report.stack[:] = kept
    for cause in (report.__cause__, report.__context__):
        if cause is not None:
            _keep_users_frames(cause)


# The package's own folders: frontend/ and the folders beside it that its subpackages come from.
_OURS = tuple(
    str(Path(path).resolve()) + os.sep
    for name in ("wherry", "wherry.ir", "wherry.codegen", "wherry.runtime", "wherry.schema")
    for path in __import__(name, fromlist=["_"]).__path__
)
_LIBRARIES = tuple(
    {str(Path(sysconfig.get_paths()[key]).resolve()) + os.sep for key in ("stdlib", "purelib")}
)


def _is_ours(filename: str) -> bool:
    return str(Path(filename).resolve()).startswith(_OURS)


def _is_library(filename: str) -> bool:
    return filename.startswith("<frozen") or str(Path(filename).resolve()).startswith(_LIBRARIES)
