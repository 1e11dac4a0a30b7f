"""`paddle.utils`: nested structures, unique names, optional imports."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from .. import unique_name
from . import dlpack, download


def flatten(nest: Any) -> list[Any]:
    """The leaves of nested lists, tuples and dicts (by sorted key), in order.

    >>> flatten({"b": [2, 3], "a": 1})
    [1, 2, 3]
    """
    if isinstance(nest, Mapping):
        return [leaf for key in sorted(nest) for leaf in flatten(nest[key])]
    if isinstance(nest, (list, tuple)):
        return [leaf for one in nest for leaf in flatten(one)]
    return [nest]


def pack_sequence_as(structure: Any, flat_sequence: Any) -> Any:
    """The leaves put into a structure like the given one.

    >>> pack_sequence_as({"b": [0, 0], "a": 0}, [1, 2, 3])
    {'b': [2, 3], 'a': 1}
    """
    leaves = list(flat_sequence)
    if len(flatten(structure)) != len(leaves):
        raise ValueError(f"the structure has {len(flatten(structure))} leaves, got {len(leaves)}")
    return _packed(structure, iter(leaves))


def _packed(structure: Any, leaves: Any) -> Any:
    if isinstance(structure, Mapping):
        made = {key: _packed(structure[key], leaves) for key in sorted(structure)}
        return type(structure)((key, made[key]) for key in structure)  # type: ignore[call-arg]
    if isinstance(structure, tuple) and hasattr(structure, "_fields"):
        return type(structure)(*(_packed(one, leaves) for one in structure))
    if isinstance(structure, (list, tuple)):
        return type(structure)(_packed(one, leaves) for one in structure)
    return next(leaves)


def map_structure(func: Callable[..., Any], *structure: Any) -> Any:
    """`func` on the leaves of structures of one form.

    >>> map_structure(lambda a, b: a + b, [1, (2,)], [10, (20,)])
    [11, (22,)]
    """
    columns = zip(*(flatten(one) for one in structure), strict=True)
    return pack_sequence_as(structure[0], [func(*leaves) for leaves in columns])


def try_import(module_name: str, err_msg: str | None = None) -> Any:
    """The module, or an ImportError that says how to get it."""
    try:
        return importlib.import_module(module_name)
    except ImportError:
        raise ImportError(
            err_msg
            or f"Failed importing {module_name}: install it with `pip install {module_name}`"
        ) from None


def run_check() -> None:
    """Train one step of a small net, and say that it works."""
    from .. import nn, optimizer
    from ..ops.creation import ones

    net = nn.Linear(2, 3)
    rule = optimizer.SGD(0.1, parameters=net.parameters())
    net(ones([4, 2])).mean().backward()
    rule.step()
    print("wherry works well on 1 CPU.\nwherry is installed successfully!")


__all__ = [
    "dlpack", "download", "flatten", "map_structure", "pack_sequence_as", "run_check", "try_import",
    "unique_name",
]  # fmt: skip
