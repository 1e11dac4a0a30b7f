"""Which layer of a net an error comes from: of twenty layers in a Sequential, one is wrong."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from wherry.schema.errors import OpError

if TYPE_CHECKING:
    from .layer import Layer


def name_layer(error: OpError, layer: Layer) -> None:
    """Let the error name the layer, as each layer that it passes through asks for in turn.

    A layer that the user wrote needs no name: the error shows its line.
    """
    chain: list[Layer] = error.__dict__.setdefault("layers", [])
    chain.append(layer)
    first = chain[0]
    if type(first).__module__.startswith("wherry."):
        names = [_name_in(outer, inner) for inner, outer in pairwise(chain)]
        path = f"{'.'.join([type(layer).__name__, *reversed(names)])}: " if names else ""
        error.inside = f"{path}{first!r}"


def _name_in(outer: Layer, inner: Layer) -> str:
    found = (name for name, one in outer._sub_layers.items() if one is inner)
    return next(found, type(inner).__name__)
