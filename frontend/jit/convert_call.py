"""convert_call: what a converted function really calls where its source says `f(...)`.

The user's functions, methods and Layers are converted too; libraries are called as they are; a few
builtins get versions that know tensors.
"""

from __future__ import annotations

import bisect
import functools
import heapq
import operator
import random
import sys
import types
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from wherry.schema.errors import ConversionError

from ..optimizer.lr import LRScheduler
from ..tensor import Tensor
from .branch import active_tracer
from .builtin_calls import BUILTINS, KNOW_EITHER
from .classes import ORIGINAL, convert_class
from .either import (
    CHANGING,
    announced,
    is_either,
    lift,
    resolved,
)
from .lifted_calls import call_lifted, call_with_objects
from .source import convert_function, is_converted
from .state import at_line, is_poison
from .writes import will_write

_LIBRARIES = {
    *sys.stdlib_module_names, "wherry", "numpy", "scipy", "matplotlib", "gast", "llvmlite", "PIL",
    "sklearn", "pandas", "tqdm", "torch", "tensorflow", "jax", "onnx", "onnxruntime", "openvino",
    "cv2", "IPython", "pytest", "_pytest", "hypothesis",
} - {"__main__"}  # fmt: skip
_ignored: set[str] = set()
_FUNCTIONS = (types.FunctionType, types.MethodType)
# What changes its first argument.
_CHANGING_IT: Final = frozenset(
    {
        *(heapq.heappush, heapq.heappop, heapq.heapify, heapq.heappushpop, heapq.heapreplace),
        *(bisect.insort, bisect.insort_left, bisect.insort_right, random.shuffle),
        *(operator.setitem, operator.delitem, operator.iadd, operator.imul, operator.ior),
    }
)
MARK = "__wherry_not_to_static__"


def ignore_module(modules: Iterable[Any]) -> None:
    """Do not convert functions of these modules: they are called as they are."""
    for module in modules if isinstance(modules, (list, tuple, set)) else [modules]:
        _ignored.add(module.__name__ if isinstance(module, types.ModuleType) else str(module))


def not_to_static(func: Any = None) -> Any:
    """A decorator: to_static does not convert this function, it is called as it is."""
    if func is None:
        return not_to_static
    setattr(func, MARK, True)
    return func


def is_library(module: str) -> bool:
    """Whether functions of this module are called as they are."""
    parts = module.split(".")
    return parts[0] in _LIBRARIES or any(
        ".".join(parts[: i + 1]) in _ignored for i in range(len(parts))
    )


def convert_call(function: Any) -> Any:
    """What to call instead of `function`."""
    if _changes_it(function):
        return functools.partial(_announced_call, function)
    found = _converted(function)
    build = active_tracer()
    if build is None or not build.has_eithers or is_converted(getattr(found, "__func__", found)):
        return found
    if found in KNOW_EITHER:
        return found
    call = call_with_objects if _is_users(found) else call_lifted
    return functools.partial(call, found)


def _is_users(function: Any) -> bool:
    """Whether it is a class or a Layer of the user's, or keeps its arguments for a function."""
    owner = function if isinstance(function, type) else type(function)
    if function is functools.partial:
        return True
    is_object = owner is not types.BuiltinMethodType and not isinstance(function, _FUNCTIONS)
    return is_object and not is_library(str(owner.__module__))


def _converted(function: Any) -> Any:
    if is_poison(function):
        function.refuse()
    function = resolved(function)
    if is_either(function):
        return function
    try:
        found = BUILTINS.get(function)
    except TypeError:
        found = None
    if found is not None:
        return found
    if isinstance(function, types.BuiltinMethodType):
        return _method_of_builtin(function)
    if isinstance(function, type) and active_tracer() is not None:
        convert_class(function)
    if isinstance(function, type) or getattr(function, MARK, False):
        return function
    if isinstance(function, functools.partial):
        return functools.partial(convert_call(function.func), *function.args, **function.keywords)
    unwrapped = getattr(function, "__wherry_dynamic__", None)
    if unwrapped is not None:
        return convert_call(unwrapped)
    if isinstance(function, types.MethodType):
        return _method(function)
    if isinstance(function, types.FunctionType):
        return _function(function)
    return _instance(function)


def _changes_it(function: Any) -> bool:
    """Whether it is a function, as `heapq.heappush` or `list.append`, that changes its argument."""
    if isinstance(function, (types.MethodDescriptorType, types.WrapperDescriptorType)):
        return function.__name__ in CHANGING
    is_function = isinstance(function, (types.BuiltinMethodType, types.MethodType))
    return is_function and function in _CHANGING_IT


def _announced_call(function: Any, owner: Any, *args: Any, **kwargs: Any) -> Any:
    return lift(owner, lambda one: function(announced(one), *args, **kwargs))


def _function(function: types.FunctionType) -> Any:
    function = getattr(function, ORIGINAL, function)
    if is_converted(function):
        return function
    if is_library(str(function.__globals__.get("__name__", ""))):
        return _library_wrapper(function)
    return convert_function(function) or _without_source(function)


def _without_source(function: types.FunctionType) -> Any:
    """The function as it is; where it should have been converted the error says why it was not."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except ConversionError as error:
            text = f"{function.__name__} was not converted: its source is not in a file"
            if text not in str(error):
                error.args = (
                    f"{error}\n{text} (exec, or a prompt); put it into one, or tell of it before "
                    "it is called: linecache.cache[filename] = (len(text), None, "
                    "text.splitlines(True), filename), with exec(compile(text, filename, 'exec'))",
                )
            raise

    return call


def _library_wrapper(function: types.FunctionType) -> Any:
    """For our decorator around the user's function (`@no_grad()`): convert the one inside."""
    inner = getattr(function, "__wrapped__", None)
    if not isinstance(inner, types.FunctionType) or function.__closure__ is None:
        return function
    converted = _converted(inner)
    if converted is inner:
        return function
    cells = tuple(
        types.CellType(converted) if _holds(cell, inner) else cell for cell in function.__closure__
    )
    twin = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, cells
    )
    twin.__kwdefaults__ = function.__kwdefaults__
    return twin


def _holds(cell: types.CellType, value: Any) -> bool:
    try:
        return cell.cell_contents is value
    except ValueError:
        return False


def _method(method: types.MethodType) -> Any:
    function = method.__func__
    build = active_tracer()
    if function is Tensor.item and build is not None:
        return build.as_traced(method.__self__).item
    if (
        build is not None
        and isinstance(method.__self__, LRScheduler)
        and function.__name__ == "step"
    ):
        raise ConversionError(
            "scheduler.step() inside of a function that to_static converts would be done once, "
            f"while it is traced; call it outside of it, after the step{at_line()}"
        )
    if getattr(function, MARK, False):
        return method
    converted = _converted(function)
    return method if converted is function else types.MethodType(converted, method.__self__)


def _instance(value: Any) -> Any:
    """An object with `__call__`: a Layer converts its forward by itself."""
    call = vars(type(value)).get("__call__") or _inherited_call(type(value))
    if not isinstance(call, types.FunctionType):
        return value
    converted = _converted(call)
    return value if converted is call else types.MethodType(converted, value)


def _inherited_call(owner: type) -> Any:
    """The `__call__` that a class inherits, as a plain function."""
    found = (vars(base).get("__call__") for base in owner.__mro__[1:])
    return next((call for call in found if call is not None), None)


def _method_of_builtin(method: Any) -> Any:
    owner = getattr(method, "__self__", None)
    # Those of deques, and of the user's classes that are lists or dicts, are refused in a branch.
    if method.__name__ in CHANGING and isinstance(owner, (list, dict, set, deque)):
        will_write(owner)
    return method
