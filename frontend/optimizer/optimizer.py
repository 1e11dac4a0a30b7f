"""What all optimizers share: parameters and their groups, gradients, clipping, decay, state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from wherry.autograd import no_grad
from wherry.dispatch import tracer
from wherry.regularizer import L2Decay, Regularizer
from wherry.tensor import Array, Parameter, Tensor
from wherry.traced import Traced

from .lr import LRScheduler


@dataclass
class Group:
    """Parameters with settings of their own: decay, clip and a factor on the learning rate."""

    params: list[Parameter]
    weight_decay: Any
    grad_clip: Any
    learning_rate: float = 1.0
    options: dict[str, Any] = field(default_factory=dict)


class Optimizer:
    """Changes parameters in place by their gradients. The base of SGD, Adam and the others.

    Args:
        learning_rate: a float or an `optimizer.lr.LRScheduler`.
        parameters: Tensors, or dicts with "params" and settings for just these.
        weight_decay: a float (L2) or a regularizer; a parameter's own regularizer comes first.
        grad_clip: `nn.ClipGradByGlobalNorm` and its kin.

    A subclass names in `accumulators` the state that it keeps per parameter, and writes
    `update(param, grad, lr, group)` on numpy arrays; those of wherry have an op (`updates.py`).
    """

    # name -> the value that a new accumulator is filled with; scalars are of shape [1].
    accumulators: Mapping[str, float] = {}
    scalars: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        learning_rate: float | LRScheduler = 0.001,
        parameters: Sequence[Any] | None = None,
        weight_decay: Any = None,
        grad_clip: Any = None,
        name: str | None = None,
    ) -> None:
        if parameters is None and tracer.get() is None:
            raise AttributeError(
                "parameters argument given to the Optimizer should not be None in dygraph mode: "
                "pass parameters=net.parameters()"
            )
        if isinstance(parameters, Tensor):
            raise TypeError(
                "`parameters` argument given to the optimizer should be an iterable of Tensors, "
                f"but got argument type is `{type(parameters).__name__}`: write [parameter]"
            )
        if parameters is not None and not isinstance(parameters, Iterable):
            raise TypeError(
                "`parameters` argument given to the optimizer should be an iterable of Tensors, "
                f"but got argument type is `{type(parameters).__name__}`: pass net.parameters()"
            )
        if not isinstance(learning_rate, (float, int, LRScheduler)):
            raise TypeError(
                f"learning rate should be float or LRScheduler, got {type(learning_rate)} here"
            )
        self._learning_rate = learning_rate
        # In static mode the learning rate lives in a scope: whether it is written there anew.
        self.writes_rate = isinstance(learning_rate, LRScheduler)
        self._decay, self._clip = _regularizer(weight_decay), grad_clip
        self._groups = [self._group(one) for one in _grouped(list(parameters or []))]
        self._state: dict[str, Array] = {}
        self._tensors: dict[str, Tensor] = {}

    def _group(self, spec: Mapping[str, Any]) -> Group:
        options = dict(spec)
        params = [options.pop("params")] if isinstance(spec["params"], Tensor) else None
        params = list(options.pop("params")) if params is None else params
        decay = _regularizer(options.pop("weight_decay", self._decay))
        clip = options.pop("grad_clip", self._clip)
        return Group(params, decay, clip, float(options.pop("learning_rate", 1.0)), options)

    @property
    def _parameter_list(self) -> list[Parameter]:
        return [param for group in self._groups for param in group.params]

    # The learning rate.

    def get_lr(self) -> float:
        """The learning rate of the next step."""
        rate = self._learning_rate
        return rate() if isinstance(rate, LRScheduler) else float(rate)

    def set_lr(self, value: float) -> None:
        """Set the learning rate. Raises RuntimeError where a scheduler sets it."""
        if isinstance(self._learning_rate, LRScheduler):
            raise RuntimeError(
                "optimizer's learning rate can't be LRScheduler when invoke this API, "
                "because this will lead to conflict."
            )
        if not isinstance(value, (int, float)):
            raise TypeError(f"the type of 'value' in set_lr must be float, but received {value!r}")
        self._learning_rate, self.writes_rate = float(value), True

    def set_lr_scheduler(self, scheduler: LRScheduler) -> None:
        """Let a scheduler set the learning rate from here on."""
        if not isinstance(scheduler, LRScheduler):
            raise TypeError(f"The scheduler must be an LRScheduler, but received {scheduler!r}")
        self._learning_rate, self.writes_rate = scheduler, True

    # Steps.

    @no_grad()
    def step(self) -> None:
        """Change each parameter that has a gradient, by its gradient."""
        if tracer.get() is not None:
            self._record()
            return
        rate = self.get_lr()
        for group in self._groups:
            for param, grad in self._gradients(group):
                scale = group.learning_rate * param.optimize_attr.get("learning_rate", 1.0)
                self._ensure_state(param)
                self.update(param, grad, rate * scale, group)
                param.storage.version += 1

    def _record(self) -> None:
        """The step as a part of a function that is traced."""
        from wherry.jit.branch import active_tracer
        from wherry.jit.steps import traced_step

        build = active_tracer()
        if build is None or not build.converts:
            raise RuntimeError(
                "optimizer.step() is not there in static mode; use optimizer.minimize(loss)"
            )
        traced_step(self, build)

    def _gradients(self, group: Group) -> Iterator[tuple[Parameter, Array]]:
        """The gradients of a group, clipped, with the derivative of the penalty added."""
        pairs: list[Any] = [
            (param, param.grad)
            for param in group.params
            if param.grad is not None and not param.stop_gradient
        ]
        if group.grad_clip is not None and pairs:
            pairs = group.grad_clip(pairs)
        for param, grad in pairs:
            penalty = self.penalty(param, group)
            yield param, grad.array if penalty is None else penalty(param.array, grad.array)

    def penalty(self, param: Parameter, group: Group) -> Regularizer | None:
        """What is added to the parameter's gradient: its own regularizer, or the group's."""
        found: Regularizer | None = param.regularizer or group.weight_decay
        return found

    def update(self, param: Parameter, grad: Array, lr: float, group: Group) -> None:
        """Change `param.array` and the accumulators in place by one step."""
        from .updates import run_update

        run_update(self, param, grad, lr, group)

    def minimize(
        self,
        loss: Tensor,
        startup_program: Any = None,
        parameters: Any = None,
        no_grad_set: Any = None,
    ) -> tuple[list[Any], list[Any]]:
        """A step by the gradients that `loss.backward()` left.

        In static mode: append the gradients and the step to the Program; returns the step's ops and
        the (parameter, gradient) pairs.
        """
        if _is_static(loss):
            from wherry.static import optimize

            return optimize.minimize(self, loss, parameters, no_grad_set)
        pairs = [(p, p.grad) for p in self._parameter_list if p.grad is not None]
        self.step()
        return [], pairs

    def backward(
        self, loss: Tensor, startup_program: Any = None, parameters: Any = None,
        no_grad_set: Any = None, callbacks: Any = None,
    ) -> list[Any]:  # fmt: skip
        """Compute the gradients of the loss; returns (parameter, gradient) pairs."""
        if _is_static(loss):
            from wherry.static import append_backward

            variable: Any = loss
            return append_backward(
                variable, parameters or self._parameter_list or None, no_grad_set
            )
        loss.backward()
        return [(p, p.grad) for p in self._parameter_list if p.grad is not None]

    def apply_gradients(self, params_grads: Sequence[Any]) -> list[Any]:
        """A step by the pairs that `backward` gave; in static mode its ops, which are appended."""
        if any(_is_static(grad) for _, grad in params_grads):
            from wherry.static import optimize

            return list(optimize.apply_gradients(self, params_grads))
        for param, grad in params_grads:
            param.grad = grad
        self.step()
        return []

    def apply_optimize(
        self, loss: Tensor, startup_program: Any, params_grads: Sequence[Any]
    ) -> list[Any]:
        """The same, as Paddle's `minimize` calls it."""
        return self.apply_gradients(params_grads)

    def clear_grad(self, set_to_zero: bool = True) -> None:
        """Forget the gradients: they become zeros, or None with `set_to_zero=False`."""
        for param in self._parameter_list:
            param.clear_gradient(set_to_zero)

    clear_gradients = clear_grad

    # State.

    def _ensure_state(self, param: Parameter) -> None:
        for name, value in self.accumulators.items():
            key = _state_key(param, name)
            if key not in self._state:
                shape = (1,) if name in self.scalars else param.array.shape
                self._state[key] = np.full(shape, value, param.array.dtype)

    def state_of(self, param: Parameter, name: str) -> Array:
        """The accumulator of a parameter, to be changed in place."""
        return self._state[_state_key(param, name)]

    def state_tensor(self, param: Parameter, name: str) -> Tensor:
        """The accumulator as the Tensor that traced functions read and write: of one memory."""
        key = _state_key(param, name)
        found = self._tensors.get(key)
        if found is None or found.array is not self._state[key]:
            found = self._tensors[key] = Tensor(self._state[key], name=key)
        return found

    def state_dict(self) -> dict[str, Any]:
        """Accumulators by name (`linear_0.w_0_moment1_0`), and the scheduler's state."""
        found: dict[str, Any] = {name: Tensor(value) for name, value in self._state.items()}
        if isinstance(self._learning_rate, LRScheduler):
            found["LR_Scheduler"] = self._learning_rate.state_dict()
        return found

    def set_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the state that `state_dict` gave; arrays are copied.

        Raises ValueError for an accumulator whose shape does not fit its parameter.
        """
        if isinstance(self._learning_rate, LRScheduler) and "LR_Scheduler" in state_dict:
            self._learning_rate.set_state_dict(state_dict["LR_Scheduler"])
        for param in self._parameter_list:
            for name in self.accumulators:
                key = _state_key(param, name)
                if key in state_dict:
                    checked = self._checked(param, name, state_dict[key])
                    self._ensure_state(param)
                    # In place: static functions that step write to this memory.
                    self._state[key][...] = checked

    def _checked(self, param: Parameter, name: str, value: Any) -> Array:
        array = np.array(value.array if isinstance(value, Tensor) else value, param.array.dtype)
        wanted = (1,) if name in self.scalars else param.array.shape
        if array.shape != wanted:
            raise ValueError(
                f"the state {_state_key(param, name)} needs the shape {list(wanted)}, "
                f"got {list(array.shape)}"
            )
        return array

    set_dict = set_state_dict


def _is_static(value: Any) -> bool:
    """Whether it is a Variable of static mode."""
    return isinstance(value, Traced) and not value.tracer.converts


def _state_key(param: Parameter, name: str) -> str:
    return f"{param.name}_{name}_0"


def _regularizer(decay: Any) -> Regularizer | None:
    if decay is None or isinstance(decay, Regularizer):
        return decay
    if isinstance(decay, (float, int)):
        return L2Decay(decay)
    raise TypeError(f"weight_decay should be float or a regularizer, got {type(decay).__name__}")


def _grouped(parameters: list[Any]) -> list[Mapping[str, Any]]:
    if parameters and isinstance(parameters[0], Mapping):
        return parameters
    return [{"params": parameters}]
