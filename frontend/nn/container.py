"""Layers that hold layers or parameters: Sequential, LayerList, LayerDict, ParameterList."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..tensor import Parameter
from .layer import Layer


class Sequential(Layer):
    """Layers that are called one after another; given as layers, or as (name, layer) pairs.

    >>> import wherry as paddle
    >>> net = paddle.nn.Sequential(paddle.nn.Linear(2, 3), paddle.nn.ReLU())
    >>> net(paddle.ones([1, 2])).shape
    [1, 3]
    """

    def __init__(self, *layers: Any) -> None:
        super().__init__()
        if len(layers) == 1 and isinstance(layers[0], (list, tuple, OrderedDict)):
            only = layers[0]
            layers = tuple(only.items()) if isinstance(only, OrderedDict) else tuple(only)
        for i, layer in enumerate(layers):
            if isinstance(layer, (tuple, list)):
                self.add_sublayer(layer[0], layer[1])
            else:
                self.add_sublayer(str(i), layer)

    def __getitem__(self, index: Any) -> Any:
        layers = list(self._sub_layers.values())
        if isinstance(index, slice):
            return type(self)(*layers[index])
        if isinstance(index, str):
            return self._sub_layers[index]
        if not -len(layers) <= index < len(layers):
            raise IndexError(f"index {index} is out of range of {len(layers)} layers")
        return layers[index]

    def __setitem__(self, name: Any, layer: Layer) -> None:
        self.add_sublayer(str(name), layer)

    def __delitem__(self, name: Any) -> None:
        del self._sub_layers[str(name)]

    def __len__(self) -> int:
        return len(self._sub_layers)

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._sub_layers.values()))

    def forward(self, input: Any) -> Any:
        for layer in self._sub_layers.values():
            assert layer is not None
            input = layer(input)
        return input


class LayerList(Layer):
    """A list of layers that are parts of the model. It is not called itself.

    >>> import wherry as paddle
    >>> layers = paddle.nn.LayerList([paddle.nn.Linear(2, 2) for _ in range(3)])
    >>> len(layers), len(layers.parameters())
    (3, 6)
    """

    def __init__(self, sublayers: Iterable[Layer] | None = None) -> None:
        super().__init__()
        self.extend([] if sublayers is None else sublayers)

    def _at(self, index: int) -> int:
        if not isinstance(index, int) or not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range of {len(self)} layers")
        return index % len(self)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return self._sub_layers[str(self._at(index))]

    def __setitem__(self, index: int, layer: Layer) -> None:
        self.add_sublayer(str(self._at(index)), layer)

    def __delitem__(self, index: Any) -> None:
        layers = list(self)
        del layers[index]
        self._replace(layers)

    def _replace(self, layers: list[Layer]) -> None:
        self._sub_layers.clear()
        self.extend(layers)

    def __len__(self) -> int:
        return len(self._sub_layers)

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._sub_layers.values()))

    def append(self, sublayer: Layer) -> LayerList:
        """Add a layer at the end; returns the list."""
        self.add_sublayer(str(len(self)), sublayer)
        return self

    def insert(self, index: int, sublayer: Layer) -> None:
        """Add a layer before the position."""
        layers = list(self)
        layers.insert(index, sublayer)
        self._replace(layers)

    def extend(self, sublayers: Iterable[Layer]) -> LayerList:
        """Add layers at the end; returns the list."""
        for layer in sublayers:
            self.append(layer)
        return self


class LayerDict(Layer):
    """A dict of layers that are parts of the model. It is not called itself.

    >>> import wherry as paddle
    >>> layers = paddle.nn.LayerDict({"fc": paddle.nn.Linear(2, 2)})
    >>> list(layers.keys())
    ['fc']
    """

    def __init__(self, sublayers: Any = None) -> None:
        super().__init__()
        if sublayers is not None:
            self.update(sublayers)

    def __getitem__(self, key: str) -> Any:
        return self._sub_layers[key]

    def __setitem__(self, key: str, sublayer: Layer) -> None:
        self.add_sublayer(key, sublayer)

    def __delitem__(self, key: str) -> None:
        del self._sub_layers[key]

    def __len__(self) -> int:
        return len(self._sub_layers)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._sub_layers))

    def __contains__(self, key: object) -> bool:
        return key in self._sub_layers

    def clear(self) -> None:
        """Take all layers out."""
        self._sub_layers.clear()

    def pop(self, key: str) -> Any:
        """Take one layer out and return it."""
        return self._sub_layers.pop(key)

    def keys(self) -> Any:
        """The names."""
        return self._sub_layers.keys()

    def values(self) -> Any:
        """The layers."""
        return self._sub_layers.values()

    def items(self) -> Any:
        """(name, layer) pairs."""
        return self._sub_layers.items()

    def update(self, sublayers: Any) -> None:
        """Add the layers of a dict, or of (name, layer) pairs."""
        pairs = sublayers.items() if isinstance(sublayers, (Mapping, LayerDict)) else sublayers
        for key, layer in pairs:
            self.add_sublayer(key, layer)


class ParameterList(Layer):
    """A list of parameters that are parts of the model.

    >>> import wherry as paddle
    >>> weights = paddle.nn.ParameterList([paddle.create_parameter([2], "float32")])
    >>> len(weights.parameters())
    1
    """

    def __init__(self, parameters: Iterable[Parameter] | None = None) -> None:
        super().__init__()
        for parameter in [] if parameters is None else parameters:
            self.append(parameter)

    def __getitem__(self, index: int) -> Any:
        return self._parameters[str(index % len(self) if index < 0 else index)]

    def __setitem__(self, index: int, parameter: Parameter) -> None:
        setattr(self, str(index), parameter)

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._parameters.values()))

    def append(self, parameter: Parameter) -> ParameterList:
        """Add a parameter at the end; returns the list."""
        self.add_parameter(str(len(self)), parameter)
        return self


__all__ = ["LayerDict", "LayerList", "ParameterList", "Sequential"]
