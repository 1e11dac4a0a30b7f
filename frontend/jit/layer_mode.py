"""What a traced Program depends on in the Layers that it calls: their mode and their hooks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..nn.layer import Layer


class Mode:
    """train or eval, and the hooks, of a function's Layers and all in them, as a number that is
    equal for equal modes.

    A function that is no method of a Layer may call Layers too: those that a trace met are watched
    from then on.
    """

    def __init__(self, instance: Any) -> None:
        self.roots: list[Layer] = [instance] if isinstance(instance, Layer) else []
        self._changes = -1
        self._key = 0
        self._known: dict[tuple[Any, ...], int] = {}

    @property
    def key(self) -> int:
        """The key now; it is made anew only when some Layer has changed."""
        if self._changes != Layer.changes:
            found = tuple(part for layer in self._layers() for part in _of(layer))
            self._key = self._known.setdefault(found, len(self._known))
            self._changes = Layer.changes
        return self._key

    def watch(self, layers: Iterable[Layer]) -> None:
        """Let the key depend on these Layers too."""
        known = {id(layer) for layer in self._layers()}
        for layer in layers:
            if id(layer) not in known:
                self.roots.append(layer)
                known.update(id(one) for one in layer.sublayers(include_self=True))
                self._changes = -1

    def _layers(self) -> list[Layer]:
        return [one for root in self.roots for one in root.sublayers(include_self=True)]


def _of(layer: Layer) -> tuple[Any, ...]:
    before, after = layer._forward_pre_hooks, layer._forward_post_hooks
    return layer.training, *before.values(), None, *after.values(), None
