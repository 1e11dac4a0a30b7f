"""Program: what static mode builds and an Executor runs."""

from __future__ import annotations

import warnings
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wherry.ir import program as ir
from wherry.ir.backward import plain_symbols
from wherry.ir.dims import symbols_of
from wherry.ir.emit import BlockEmitter
from wherry.ir.opdef import get_op
from wherry.ir.show import show_program
from wherry.tensor import Tensor

from .. import tensor as eager
from ..jit.execute import write_back
from ..jit.modes import RNG_NAME, for_inference
from ..param_attr import ParamAttr
from ..random import STATE
from .block import Block
from .scope import Scope, fits, global_scope
from .tracer import OPTIMIZE_ROLE, StaticTracer
from .variable import Parameter, Variable

if TYPE_CHECKING:
    from ..optimizer.optimizer import Optimizer

_FORWARD_ROLES = (0, 256)
_STATE_OPS = ("rng_advance", "assign_persistable")


class Program:
    """Ops to be run by an `Executor`. `print` shows them in Paddle's format.

    Parameters live in a scope, by name; tensors of dynamic mode that an op reads (those of a Layer
    that was made there) are read where they are. `random_seed`, where it is not 0, lets every run
    draw the same numbers.

    >>> import wherry as paddle
    >>> program = paddle.static.Program()
    >>> program.num_blocks
    1
    """

    def __init__(self) -> None:
        self.random_seed = 0
        # How training treats parameters, and who sets the learning rates, by name.
        self.attrs: dict[str, ParamAttr] = {}
        self.rates: dict[str, Optimizer] = {}
        self._take(ir.Program(), {})

    @classmethod
    def of(cls, source: ir.Program, tensors: Mapping[str, Tensor] | None = None) -> Program:
        """A Program with this content, which is taken over. `tensors` are captured, by name."""
        made = cls()
        made._take(source, tensors or {})
        return made

    def _take(self, desc: ir.Program, tensors: Mapping[str, Tensor]) -> None:
        """Hold this content, without the assignments at its end, so that more ops can follow."""
        self.desc, self.tracer = desc, StaticTracer(self, desc)
        block, tracer = desc.global_block, self.tracer
        for name, tensor in {**tensors, RNG_NAME: STATE}.items():
            if name in block.vars and block.vars[name].persistable:
                tracer.captured[id(tensor)] = tensor, block.vars[name]
        held = {var: tensor for tensor, var in tracer.captured.values()}
        for op in [op for op in block.ops if op.type == "assign_persistable"]:
            target, value = op.inputs["Target"][0], op.inputs["X"][0]
            block.remove(op)
            if target in held:
                tracer.current[id(held[target])] = tracer.traced(value)
            else:
                tracer.stored[target] = value

    # What it holds.

    @property
    def num_blocks(self) -> int:
        return len(self.desc.blocks)

    @property
    def blocks(self) -> list[Block]:
        """The global block, and those of branches and loops."""
        return [Block(self, i) for i in range(self.num_blocks)]

    def block(self, index: int) -> Block:
        """The block of this number."""
        return self.blocks[index]

    def global_block(self) -> Block:
        """The block that all others lie in."""
        return Block(self, 0)

    def current_block(self) -> Block:
        """The block that functions append to now."""
        return Block(self, self.tracer.frames[-1].block.idx)

    def variable_of(self, var: ir.Variable) -> Variable:
        """The Variable that users see."""
        made = var.name in self.attrs or var.trainable
        return (Parameter if made else Variable)(var, self.tracer)

    def list_vars(self) -> Iterator[Variable]:
        """All Variables, block by block."""
        return (var for block in self.blocks for var in block.vars.values())

    def all_parameters(self) -> list[Parameter]:
        """The Variables that layers made to be trained."""
        return [parameter for block in self.blocks for parameter in block.all_parameters()]

    def tensors(self) -> dict[str, Tensor]:
        """The tensors of dynamic mode that ops read, by the names of their Variables."""
        return {var.name: tensor for tensor, var in self.tracer.captured.values()}

    def pending(self) -> dict[ir.Variable, ir.Variable]:
        """What the persistables that are written become at the end of a run."""
        tracer = self.tracer
        found = {tracer.captured[key][1]: value.variable for key, value in tracer.current.items()}
        return {t: v for t, v in {**tracer.stored, **found}.items() if t is not v}

    def stored_names(self) -> dict[ir.Variable, str]:
        """The names of persistables by what is written to them: Paddle calls both alike."""
        return {new: target.name for target, new in self.pending().items() if new.op is not None}

    # Copies.

    def complete(self, results: Sequence[str] = ()) -> ir.Program:
        """A plain copy that gives the Variables `results`, and ends with what is written."""
        copy = self.desc.clone()
        block = copy.global_block
        pending = {target.name: value.name for target, value in self.pending().items()}
        emitter = BlockEmitter(block)
        for target, value in pending.items():
            emitter.emit(get_op("assign_persistable"), [block.vars[value], block.vars[target]], {})
        block.results = [block.vars[pending.get(name, name)] for name in results]
        return copy

    def clone(self, for_test: bool = False) -> Program:
        """A copy. For testing, dropout drops nothing, batch_norm takes its running statistics, and
        ops of training are left out.
        """
        copy = self.complete()
        if for_test:
            copy = _for_test(copy)
        known = {n: t for n, t in self.tensors().items() if n in copy.names}
        made = Program.of(copy, known)
        made.attrs, made.random_seed = dict(self.attrs), self.random_seed
        made.rates = {n: o for n, o in self.rates.items() if n in copy.names}
        return made

    # State.

    def state_dict(
        self, mode: str = "all", scope: Scope | None = None, *, names: Container[str] | None = None
    ) -> dict[str, Any]:
        """The persistables by name. `mode` is "all", "param" (parameters) or "opt" (the others).

        `names` asks for just these. Raises ValueError for one that the startup program has not
        initialized yet.
        """
        if mode not in ("all", "param", "opt"):
            raise ValueError(f"`mode` must be 'all', 'param' or 'opt', but received {mode!r}")
        tensors = self.tensors()
        found: dict[str, Any] = {}
        for name in self.state_names():
            made = self.variable_of(self.desc.global_block.vars[name])
            value = tensors.get(name)
            is_parameter = isinstance(made, Parameter) or isinstance(value, eager.Parameter)
            if mode != "all" and is_parameter != (mode == "param"):
                continue
            if names is not None and name not in names:
                continue
            held = (scope or global_scope()).find(name)
            if value is None and held is not None:
                value = Tensor(held.array.copy(), name=name)
            if value is None:
                raise ValueError(
                    f"Can not find Variable '{name}' in the scope. Make sure it is initialized: "
                    "run the startup program, exe.run(paddle.static.default_startup_program())"
                )
            found[name] = value
        return found

    def state_names(self) -> list[str]:
        """The names of the persistables that have values in a scope or in dynamic mode."""
        own = {*self.desc.values, RNG_NAME}
        return [var.name for var in self.desc.persistables if var.name not in own]

    def set_state_dict(self, state_dict: Mapping[str, Any], scope: Scope | None = None) -> None:
        """Write values into the scope; what does not fit is skipped with a warning."""
        if not isinstance(state_dict, Mapping):
            raise TypeError(
                f"Type of `state_dict` should be dict, but received {type(state_dict).__name__}"
            )
        tensors, known = self.tensors(), {var.name: var for var in self.desc.persistables}
        for name, value in state_dict.items():
            array = value.array if isinstance(value, Tensor) else value
            reason = fits(known[name], array) if name in known else f"'{name}' not in the program."
            if reason:
                warnings.warn(f"Skip loading for '{name}'. {reason}", stacklevel=2)
            elif name in tensors:
                write_back([tensors[name]], [array])
            else:
                (scope or global_scope()).put(name, array)

    # Text.

    def __str__(self) -> str:
        shown = self.complete()
        hide_random_state(shown)
        return show_program(shown, self.attrs.keys())

    __repr__ = __str__

    def to_string(self, throw_on_error: bool = False, with_details: bool = False) -> str:
        """What `print` shows."""
        return str(self)


def hide_random_state(program: ir.Program) -> None:
    """Take out what counts the draws of random numbers, which Paddle does not show."""
    block = program.global_block
    for op in [op for op in block.ops if op.type == "rng_advance"]:
        block.remove(op)
    if RNG_NAME in block.vars:
        block.drop_var(block.vars[RNG_NAME])


def keep_guards(program: ir.Program) -> None:
    """Drop the guards on sizes that the Program's inputs do not tell: of inputs that are not fed,
    whose ops are gone.
    """
    known = {name for var in program.inputs for name in plain_symbols(var)}
    program.guards[:] = [
        guard for guard in program.guards
        if known.issuperset([*symbols_of(guard.left), *symbols_of(guard.right)])
    ]  # fmt: skip


def without_training(program: ir.Program) -> None:
    """Take the steps of optimizers off a Program: what they would write is not written."""
    block = program.global_block
    block.ops[:] = [
        op for op in block.ops
        if op.type != "assign_persistable" or not _is_step(op.inputs["X"][0].op)
    ]  # fmt: skip


def _is_step(op: ir.OpDesc | None) -> bool:
    return op is not None and op.attrs.get("op_role") == OPTIMIZE_ROLE


def _for_test(program: ir.Program) -> ir.Program:
    block = program.global_block
    without_training(program)
    block.results = [
        var for op in block.ops
        if op.attrs.get("op_role", 0) in _FORWARD_ROLES and op.type not in _STATE_OPS
        for var in op.out_vars
    ]  # fmt: skip
    copy = for_inference(program, block.results)
    copy.global_block.results = []
    read = {var for op in copy.global_block.ops for var in op.in_vars}
    for var in [var for var in copy.persistables if not var.trainable and var not in read]:
        copy.global_block.drop_var(var)
    return copy
