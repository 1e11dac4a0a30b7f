"""What a Program tells while it runs, and what it cannot do."""

from __future__ import annotations

from typing import Any, NoReturn

from ..mode import building
from ..variable import Variable
from .common import need_variable


def Print(
    input: Variable,
    first_n: int = -1,
    message: str | None = None,
    summarize: int = 20,
    print_tensor_name: bool = True,
    print_tensor_type: bool = True,
    print_tensor_shape: bool = True,
    print_tensor_layout: bool = True,
    print_tensor_lod: bool = True,
    print_phase: str = "both",
) -> Any:
    """The input itself; each run prints its value to stdout, after the message."""
    active = building("paddle.static.Print")
    x = need_variable(input, "Print")
    return active.emit("print", x, message=message or "", first_n=first_n, summarize=summarize)


def py_func(func: Any, x: Any, out: Any, backward_func: Any = None,
            skip_vars_in_backward_input: Any = None) -> NoReturn:  # fmt: skip
    """Refused: a Program runs as native code, which calls no Python."""
    name = getattr(func, "__name__", repr(func))
    raise NotImplementedError(
        f"paddle.static.py_func({name}) is not there: a Program runs as one native function and "
        "calls no Python. Write the function with paddle's operations, or fetch its input, compute "
        "in Python, and feed the result to a second Program"
    )
