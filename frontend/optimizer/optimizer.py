"""The base of optimizers: learning rates, parameter groups, clipping, decay and state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..autograd import no_grad
from ..regularizer import L2Decay, Regularizer
from ..tensor import Array, Parameter, Tensor
from .lr import LRScheduler


class Group:
    """Parameters that share options."""

    def __init__(self, options: dict[str, Any], decay: Any, clip: Any) -> None:
        self.params: list[Parameter] = list(options["params"])
        self.learning_rate = float(options.get("learning_rate", 1.0))
        self.weight_decay = options.get("weight_decay", decay)
        self.grad_clip = options.get("grad_clip", clip)
        known = {"params", "learning_rate", "weight_decay", "grad_clip"}
        self.options = {key: value for key, value in options.items() if key not in known}


class Optimizer:
    """Changes parameters by their gradients. Subclasses define `update`.

    `parameters` is a list of parameters, or of dicts with "params" and options of their own
    (learning_rate is then a factor). `weight_decay` is a number (L2) or a regularizer; `grad_clip`
    is applied before it.
    """

    # What is kept for each parameter: name -> its first value.
    accumulators: dict[str, float] = {}

    def __init__(
        self,
        learning_rate: float | LRScheduler,
        parameters: Any = None,
        weight_decay: Any = None,
        grad_clip: Any = None,
        name: str | None = None,
    ) -> None:
        if not isinstance(learning_rate, (float, int, LRScheduler)):
            raise TypeError(
                f"learning rate should be float or LRScheduler, got {type(learning_rate)} here"
            )
        self._learning_rate = learning_rate
        self._grad_clip, self._name = grad_clip, name
        self.regularization = _regularizer(weight_decay)
        self._groups = [
            Group(options, weight_decay, grad_clip) for options in _groups_of(parameters)
        ]
        self._accumulators: dict[str, dict[str, Array]] = defaultdict(dict)
        self._loaded: dict[str, Array] = {}

    @property
    def _parameter_list(self) -> list[Parameter]:
        return [param for group in self._groups for param in group.params]

    # Learning rate.

    def get_lr(self) -> float:
        """The learning rate of the next step."""
        rate = self._learning_rate
        return float(rate()) if isinstance(rate, LRScheduler) else float(rate)

    def set_lr(self, value: float) -> None:
        """Set the learning rate. Raises RuntimeError where a scheduler sets it."""
        if not isinstance(value, (int, float)):
            raise TypeError(
                f"The type of 'value' in optimizer.set_lr must be float, but received "
                f"{type(value)}."
            )
        if isinstance(self._learning_rate, LRScheduler):
            raise RuntimeError(
                "optimizer's learning rate can't be LRScheduler when invoke this API, because "
                "this will "
                "lead to conflict."
            )
        self._learning_rate = float(value)

    def set_lr_scheduler(self, scheduler: LRScheduler) -> None:
        """Let a scheduler set the learning rate."""
        if not isinstance(scheduler, LRScheduler):
            raise TypeError(f"set_lr_scheduler needs a LRScheduler, got {type(scheduler)}")
        self._learning_rate = scheduler

    # Stepping.

    @no_grad()
    def step(self) -> None:
        """Change all parameters that have a gradient."""
        rate = self.get_lr()
        for group in self._groups:
            pairs = self._prepared(group)
            for param, grad in pairs:
                scale = param.optimize_attr["learning_rate"] * group.learning_rate
                self.update(param, grad, rate * scale, group)
                param.storage.version += 1

    def _prepared(self, group: Group) -> list[tuple[Parameter, Array]]:
        """(parameter, gradient) after clipping and decay."""
        pairs = [
            (param, param.grad.array)
            for param in group.params
            if not param.stop_gradient and param.grad is not None
        ]
        if group.grad_clip is not None:
            pairs = group.grad_clip.clip(pairs)
        return [(param, self._decayed(param, grad, group)) for param, grad in pairs]

    def _decayed(self, param: Parameter, grad: Array, group: Group) -> Array:
        rule = param.regularizer or self.group_regularizer(group)
        return grad if rule is None else rule(param.array, grad)

    def group_regularizer(self, group: Group) -> Regularizer | None:
        """The penalty of a group where the parameter has none of its own."""
        return _regularizer(group.weight_decay)

    def update(self, param: Parameter, grad: Array, rate: float, group: Group) -> None:
        """Change one parameter in place."""
        raise NotImplementedError(f"{type(self).__name__} defines no update")

    def minimize(
        self,
        loss: Tensor,
        startup_program: Any = None,
        parameters: Any = None,
        no_grad_set: Any = None,
    ) -> tuple[list[Any], list[tuple[Parameter, Tensor]]]:
        """`step` after a `loss.backward()` of yours; returns ([], [(parameter, gradient)])."""
        if not isinstance(loss, Tensor):
            raise TypeError(f"The loss should be a Tensor, got {type(loss).__name__}.")
        pairs = [(p, p.grad) for p in self._parameter_list if p.grad is not None]
        self.step()
        return [], pairs

    def clear_grad(self, set_to_zero: bool = True) -> None:
        """Set the gradients of all parameters to zeros, or forget them."""
        for param in self._parameter_list:
            if not param.stop_gradient:
                param.clear_gradient(set_to_zero)

    clear_gradients = clear_grad

    # State.

    def state(self, param: Parameter, name: str) -> Array:
        """The accumulator `name` of a parameter; made at its first use, or taken from a loaded
        state.
        """
        found = self._accumulators[name].get(param.name)
        if found is None:
            found = self._new_state(param, name)
            self._accumulators[name][param.name] = found
        return found

    def _new_state(self, param: Parameter, name: str) -> Array:
        first = self.accumulators[name]
        shape = [1] if name.endswith("_pow_acc") else param.array.shape
        made = np.full(shape, first, param.array.dtype)
        loaded = self._loaded.pop(f"{param.name}_{name}_0", None)
        if loaded is not None:
            made[...] = loaded.reshape(made.shape)
        return made

    def state_dict(self) -> dict[str, Any]:
        """The accumulators as Tensors by `<parameter>_<accumulator>_0`, and the scheduler's
        state.
        """
        found: dict[str, Any] = {}
        for name, arrays in self._accumulators.items():
            for param, array in arrays.items():
                key = f"{param}_{name}_0"
                found[key] = Tensor(array, name=key)
        if isinstance(self._learning_rate, LRScheduler):
            found["LR_Scheduler"] = self._learning_rate.state_dict()
        return found

    def set_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a state that `state_dict` gave; also before the first step."""
        for key, value in state_dict.items():
            if key == "LR_Scheduler":
                if isinstance(self._learning_rate, LRScheduler):
                    self._learning_rate.set_state_dict(value)
            elif key != "StructuredToParameterName@@" and not isinstance(value, Mapping):
                array = value.numpy() if isinstance(value, Tensor) else np.asarray(value)
                self._load(key, array)

    set_dict = set_state_dict

    def _load(self, key: str, array: Array) -> None:
        for name, arrays in self._accumulators.items():
            for param, held in arrays.items():
                if key == f"{param}_{name}_0":
                    held[...] = array.reshape(held.shape)
                    return
        self._loaded[key] = array


def _regularizer(weight_decay: Any) -> Regularizer | None:
    if weight_decay is None or isinstance(weight_decay, Regularizer):
        return weight_decay
    if isinstance(weight_decay, (int, float)):
        return L2Decay(weight_decay) if weight_decay else None
    raise TypeError(
        f"weight_decay must be a number or a regularizer, got {type(weight_decay).__name__}"
    )


def _groups_of(parameters: Any) -> list[dict[str, Any]]:
    if parameters is None:
        raise AttributeError(
            "parameters argument given to the Optimizer should not be None in dygraph mode."
        )
    if isinstance(parameters, (Tensor, str)) or not isinstance(parameters, Iterable):
        raise TypeError(
            "`parameters` argument given to the optimizer should be an iterable of paddle "
            "Tensors, but "
            f"got argument type is `{type(parameters)}`."
        )
    listed = list(parameters)
    if listed and isinstance(listed[0], dict):
        return listed
    for param in listed:
        if not isinstance(param, Tensor):
            raise TypeError(
                f"an optimizer's parameters must be Tensors, got {type(param).__name__}"
            )
    return [{"params": listed}]
