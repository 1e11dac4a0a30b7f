"""Optimizers in static mode: their steps are ops of the Program, after those of the gradients.

What a step keeps (moments, velocities) are persistables; the startup Program gives them their first
values. The learning rate is one, too: a scheduler's value of now is written before each run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wherry.ir.emit import BlockEmitter
from wherry.ir.opdef import OpDef, get_op
from wherry.schema.dtypes import float32

from ..location import user_location
from ..optimizer.optimizer import Group
from ..optimizer.updates import update_of
from ..unique_name import generate
from .adjust import clipped, decayed
from .block import Operator
from .parameters import make_state
from .tracer import OPTIMIZE_ROLE, StaticTracer
from .training import Pairs, append_backward
from .variable import Variable

if TYPE_CHECKING:
    from ..jit.tracer import ProgramTracer
    from ..optimizer.optimizer import Optimizer


def minimize(
    optimizer: Optimizer, loss: Any, parameters: Any = None, no_grad_set: Any = None
) -> tuple[list[Operator], Pairs]:
    """Append the gradients of the loss and the optimizer's step; returns the step's ops, and the
    (parameter, gradient) pairs.
    """
    chosen = parameters or optimizer._parameter_list or None
    pairs = append_backward(loss, chosen, no_grad_set)
    return apply_gradients(optimizer, pairs), pairs


def apply_gradients(optimizer: Optimizer, pairs: Sequence[Any]) -> list[Operator]:
    """Append the step of an optimizer with these (parameter, gradient) pairs; returns its ops."""
    found = sorted([pair for pair in pairs if pair[1] is not None], key=lambda pair: pair[0].name)
    if not found:
        raise ValueError(
            "an optimizer's step needs (parameter, gradient) pairs, but there are none: does the "
            "loss depend on a parameter that is trained?"
        )
    return _StaticStep(optimizer, found[0][1].tracer).ops(found)


class Step:
    """One step of an optimizer being appended; where its state is kept the subclasses know."""

    def __init__(self, optimizer: Optimizer, tracer: ProgramTracer) -> None:
        self.optimizer, self.tracer = optimizer, tracer
        self.update = update_of(optimizer)

    def append(self, pairs: Sequence[Any]) -> None:
        """Append the updates of the parameters in these (parameter, gradient) pairs."""
        for group in self.optimizer._groups:
            mine = [(param, grad) for param, grad in pairs if self._group_of(param) is group]
            changed = [
                (param, self._decayed(param, grad, group))
                for param, grad in clipped(self.tracer, group.grad_clip, mine)
            ]
            for param, grad in changed:
                self._one(param, grad, group)

    def emitted(self, opdef: OpDef, inputs: list[Any], attrs: dict[str, Any],
                targets: dict[str, Any]) -> Any:  # fmt: skip
        """Append the update's op, whose outputs are the new values of the targets."""
        raise NotImplementedError

    def state(self, param: Any, name: str) -> Any:
        """What the optimizer keeps for a parameter."""
        raise NotImplementedError

    def common_rate(self) -> Any:
        """The learning rate of all parameters."""
        raise NotImplementedError

    def _group_of(self, param: Any) -> Group:
        """The settings for a parameter; those of the first group for what no group names."""
        groups = self.optimizer._groups
        named = (g for g in groups if any(one.name == param.name for one in g.params))
        return next(named, groups[0])

    def _decayed(self, param: Any, grad: Any, group: Group) -> Any:
        """The gradient with the penalty's, unless the update itself adds it."""
        if "regularization_method" in self.update.attrs(self.optimizer, param, group):
            return grad
        penalty, value = self.optimizer.penalty(param, group), self.tracer.as_traced(param)
        return decayed(self.tracer, penalty, value, grad)

    def _one(self, param: Any, grad: Any, group: Group) -> None:
        """Append the update of one parameter, and store what it gives."""
        optimizer, opdef = self.optimizer, get_op(self.update.type)
        attrs, rate = self.update.attrs(optimizer, param, group), self._rate(param, group)
        state = {slot: self.state(param, name) for slot, name in self.update.state.items()}
        values = {"Param": param, "Grad": grad, "LearningRate": rate, **state}
        targets = {slot.name: values[slot.name.removesuffix("Out")] for slot in opdef.outputs}
        inputs = [self.tracer.variable(values[slot.name]) for slot in opdef.inputs]
        made = opdef.result_slots(self.emitted(opdef, inputs, attrs, {**targets, "Grad": grad}))
        for slot, target in targets.items():
            self._store(target, self.tracer.traced(made[slot][0]))
        for slot, factor in self.update.powers.items():
            self._store(
                state[slot], self.tracer.emit("scale", state[slot], scale=attrs[factor], bias=0.0)
            )

    def _store(self, target: Any, value: Any) -> None:
        value.variable.stop_gradient = target.stop_gradient
        self.tracer.assign(target, value)

    def _rate(self, param: Any, group: Group) -> Any:
        """The learning rate of a parameter."""
        own = group.learning_rate * param.optimize_attr.get("learning_rate", 1.0)
        rate = self.common_rate()
        return rate if own == 1.0 else self.tracer.emit("scale", rate, scale=own, bias=0.0)


class _StaticStep(Step):
    """A step whose state are persistables of a static Program."""

    tracer: StaticTracer

    def __init__(self, optimizer: Optimizer, tracer: StaticTracer) -> None:
        super().__init__(optimizer, tracer)
        self.program = tracer.owner
        self.tensors = self.program.tensors()

    def ops(self, pairs: Sequence[Any]) -> list[Operator]:
        """Append the step; returns the ops of its updates."""
        block = self.tracer.program.global_block
        before = len(block.ops)
        with self.tracer.role(OPTIMIZE_ROLE):
            self.append([(self.tensors.get(param.name, param), grad) for param, grad in pairs])
        made = [Operator(op, self.program.global_block()) for op in block.ops[before:]]
        return [op for op in made if op.type == self.update.type]

    def emitted(self, opdef: OpDef, inputs: list[Any], attrs: dict[str, Any],
                targets: dict[str, Any]) -> Any:  # fmt: skip
        pair = [targets["ParamOut"].name, targets.pop("Grad").name]
        role = {"op_role": OPTIMIZE_ROLE, "op_role_var": pair}
        emitter = BlockEmitter(self.tracer.program.global_block, user_location(), extra=role)
        names = {slot: [self._next_name(target.name)] for slot, target in targets.items()}
        return emitter.emit(opdef, inputs, attrs, names)

    def _next_name(self, name: str) -> str:
        """`w@1`: what prints as `w`, as the value of the parameter w after the step."""
        known, version = self.tracer.program.names, 1
        while f"{name}@{version}" in known:
            version += 1
        return f"{name}@{version}"

    def state(self, param: Any, name: str) -> Variable:
        shape = [1] if name in self.optimizer.scalars else [int(size) for size in param.shape]
        value = self.optimizer.accumulators[name]
        full = generate(f"{param.name}_{name}")
        return make_state(self.tracer, full, shape, param.dtype, value)

    def common_rate(self) -> Variable:
        """One persistable for each optimizer and Program."""
        rates = self.program.rates
        name = next((name for name, owner in rates.items() if owner is self.optimizer), None)
        if name is None:
            name = generate("learning_rate")
            rates[name] = self.optimizer
            return make_state(self.tracer, name, [], float32, self.optimizer.get_lr())
        return self.tracer.traced(self.tracer.program.global_block.vars[name])
