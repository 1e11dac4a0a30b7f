"""The state of a Layer: reading it, writing it, and converting its dtype."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from wherry.schema.dtypes import DType, as_dtype

from ..dispatch import mark_written
from ..tensor import Storage, Tensor

L = TypeVar("L", bound="LayerState")


class LayerState:
    """What `nn.Layer` does with its Tensors as a whole."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def state_dict(
        self, destination: Any = None, include_sublayers: bool = True,
        structured_name_prefix: str = "", use_hook: bool = True,
    ) -> OrderedDict[str, Tensor]:  # fmt: skip
        """Parameters and persistable buffers by structured name: the Tensors, no copies."""
        found: OrderedDict[str, Tensor] = OrderedDict() if destination is None else destination
        skipped = self._non_persistable_buffer_names_set
        for table in (self._parameters, self._buffers):
            for name, value in table.items():
                if value is not None and not (table is self._buffers and name in skipped):
                    found[structured_name_prefix + name] = value
        if include_sublayers:
            for name, layer in self._sub_layers.items():
                if layer is not None:
                    prefix = f"{structured_name_prefix}{name}."
                    layer.state_dict(found, True, prefix, use_hook)
        if use_hook:
            for hook in self._state_dict_hooks.values():
                changed = hook(found)
                found = found if changed is None else changed
        return found

    def to_static_state_dict(self, *args: Any, **kwargs: Any) -> OrderedDict[str, Tensor]:
        """`state_dict` with the buffers that are not persistable, too."""
        found = self.state_dict(*args, **kwargs)
        found.update(self.named_buffers())
        return found

    def set_state_dict(
        self, state_dict: Mapping[str, Any], use_structured_name: bool = True
    ) -> tuple[list[str], list[str]]:
        """Write values into the parameters and buffers; returns the missing and the unexpected
        keys.

        A key that is absent, or whose shape differs, is left out with a warning.
        """
        missing: list[str] = []
        matched: set[str] = set()
        for key, target in self.state_dict(use_hook=False).items():
            name = key if use_structured_name else target.name
            problem = _mismatch(name, target, state_dict)
            if problem:
                missing.append(name)
                warnings.warn(f"Skip loading for {name}. {problem}", stacklevel=2)
            else:
                matched.add(name)
                target.set_value(state_dict[name])
        return missing, [key for key in state_dict if key not in matched]

    set_dict = load_dict = set_state_dict

    def to(self: L, device: Any = None, dtype: Any = None, blocking: bool | None = None) -> L:
        """All parameters and buffers in another dtype, in place; the device can only be the CPU."""
        if device is not None and not isinstance(device, str):
            dtype = dtype if dtype is not None else getattr(device, "dtype", None)
        return self if dtype is None else self._convert(as_dtype(dtype), floats_only=False)

    def astype(self: L, dtype: Any = None) -> L:
        """All floating parameters and buffers in another dtype, in place."""
        return self if dtype is None else self._convert(as_dtype(dtype), floats_only=True)

    def float(self: L, excluded_layers: Any = None) -> L:
        """All floating parameters and buffers in float32."""
        return self.astype("float32")

    def float16(self: L, excluded_layers: Any = None) -> L:
        """All floating parameters and buffers in float16."""
        return self.astype("float16")

    def _convert(self: L, dtype: DType, floats_only: bool) -> L:
        for tensor in [*self.parameters(), *self.buffers()]:
            if tensor.dtype is not dtype and (tensor.dtype.is_float or not floats_only):
                tensor.array, tensor.storage = tensor.array.astype(dtype.numpy), Storage()
                mark_written(tensor, False)
                tensor._grad = None
        for layer in self.sublayers(include_self=True):
            layer.__dict__["_dtype"] = dtype
        return self


def _mismatch(name: str, target: Tensor, state: Mapping[str, Any]) -> str:
    """Why the state has no value for the target; "" if it has one."""
    if name not in state or state[name] is None:
        return f"{name} is not found in the provided dict."
    value = state[name]
    shape = list(value.shape) if hasattr(value, "shape") else list(np.shape(value))
    if shape != list(target.shape):
        return f"{name} receives a shape {shape}, but the expected shape is {list(target.shape)}."
    return ""
