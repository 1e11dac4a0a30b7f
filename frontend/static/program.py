"""Program: what static mode builds, and the tracer through which every function builds it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wherry.ir import program as ir
from wherry.ir.backward import plain_symbols
from wherry.ir.dims import symbols_of
from wherry.ir.emit import BlockEmitter
from wherry.ir.opdef import OpDef, get_op
from wherry.tensor import Tensor

from ..jit.execute import write_back
from ..jit.modes import RNG_NAME, for_inference
from ..jit.tracer import Frame, ProgramTracer
from ..param_attr import ParamAttr
from ..random import STATE
from .names import OutputNames, output_names
from .scope import Scope, fits, global_scope
from .variable import Variable

if TYPE_CHECKING:
    from .training import Step


_FORWARD_ROLES = (0, 256)
_STATE_OPS = ("rng_advance", "assign_persistable")


class StaticTracer(ProgramTracer):
    """Records ops into a Program that stays open. Its values are Variables, named as Paddle's."""

    converts = False

    def __init__(self, program: ir.Program) -> None:
        super().__init__()
        self.program = program
        self.frames = [Frame(program.global_block)]
        self.layer: str | None = None

    @contextmanager
    def naming(self, layer: str) -> Iterator[None]:
        """Name what is made inside after a layer: `fc_0.tmp` gives `fc_0.tmp_0`, ..."""
        outer, self.layer = self.layer, self.layer or layer
        try:
            yield
        finally:
            self.layer = outer

    def names_for(self, opdef: OpDef) -> Mapping[str, OutputNames]:
        """The names of an op's outputs."""
        return output_names(self.program, opdef, self.layer)

    def convert_call(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A Layer's forward runs as it is: static mode converts no Python."""
        return function

    def traced(self, var: ir.Variable) -> Variable:
        return Variable(var, self)


class Program(ir.Program):
    """Ops to be run by an `Executor`. `print` shows them in Paddle's format.

    Parameters live in a scope, by name; tensors of dynamic mode that an op reads (a Layer's
    parameters) are read where they are.

    >>> import wherry as paddle
    >>> program = paddle.static.Program()
    >>> program.num_blocks
    1
    """

    def __init__(self) -> None:
        super().__init__()
        self.random_seed = 0
        # What persistables become at the end of a run, beside the tracer's own.
        self.stored: dict[ir.Variable, ir.Variable] = {}
        # What optimizers do after each run, and how parameters want it done.
        self.steps: list[Step] = []
        self.attrs: dict[str, ParamAttr] = {}
        self.tracer = StaticTracer(self)

    @classmethod
    def of(cls, source: ir.Program, tensors: Mapping[str, Tensor] | None = None) -> Program:
        """A Program with this content, which is taken over. `tensors` are captured, by name."""
        made = cls()
        own = ("names", "_counters", "guards", "values", "blocks")
        made.__dict__.update({name: source.__dict__[name] for name in own})
        for block in made.blocks:
            block.program = made
        made.tracer = StaticTracer(made)
        _open_end(made, tensors or {})
        return made

    @property
    def num_blocks(self) -> int:
        return len(self.blocks)

    def list_vars(self) -> Iterator[Variable]:
        """All Variables, block by block."""
        return (Variable(v, self.tracer) for b in self.blocks for v in b.vars.values())

    def all_parameters(self) -> list[Variable]:
        """The Variables that training changes."""
        return [Variable(var, self.tracer) for var in self.persistables if var.trainable]

    def tensors(self) -> dict[str, Tensor]:
        """The tensors of dynamic mode that ops read, by the names of their Variables."""
        return {var.name: tensor for tensor, var in self.tracer.captured.values()}

    def pending(self) -> dict[ir.Variable, ir.Variable]:
        """What the persistables that are written become."""
        tracer = self.tracer
        found = {tracer.captured[key][1]: value.variable for key, value in tracer.current.items()}
        return {**self.stored, **{t: v for t, v in found.items() if t is not v}}

    def complete(self, results: Sequence[str] = ()) -> ir.Program:
        """A plain copy that gives the Variables `results`, and ends with what is written."""
        copy = super().clone()
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
        made.attrs = dict(self.attrs)
        made.steps = [] if for_test else list(self.steps)
        return made

    def state_dict(self, mode: str = "all", scope: Scope | None = None) -> dict[str, Tensor]:
        """The persistables by name. `mode` is "all", "param" (parameters) or "opt" (the others).

        Raises ValueError for one that the startup program has not initialized yet.
        """
        if mode not in ("all", "param", "opt"):
            raise ValueError(f"`mode` must be 'all', 'param' or 'opt', but received {mode!r}")
        tensors = self.tensors()
        found = {}
        for var in self.persistables:
            wanted = mode == "all" or var.trainable == (mode == "param")
            if not wanted or var.name in self.values or var.name == RNG_NAME:
                continue
            value = tensors.get(var.name)
            if value is None:
                value = (scope or global_scope()).find(var.name)
            if value is None:
                raise ValueError(
                    f"Can not find Variable '{var.name}' in the scope. Make sure it is "
                    "initialized: run the startup program, "
                    "exe.run(paddle.static.default_startup_program())"
                )
            found[var.name] = value
        return found

    def set_state_dict(self, state_dict: Mapping[str, Any], scope: Scope | None = None) -> None:
        """Write values into the scope; what does not fit is skipped with a warning."""
        if not isinstance(state_dict, Mapping):
            raise TypeError(
                f"Type of `state_dict` should be dict, but received {type(state_dict).__name__}"
            )
        tensors, known = self.tensors(), {var.name: var for var in self.persistables}
        for name, value in state_dict.items():
            array = value.array if isinstance(value, Tensor) else value
            reason = fits(known[name], array) if name in known else f"'{name}' not in the program."
            if reason:
                warnings.warn(f"Skip loading for '{name}'. {reason}", stacklevel=2)
            elif name in tensors:
                write_back([tensors[name]], [array])
            else:
                (scope or global_scope()).put(name, array)

    def __str__(self) -> str:
        from wherry.ir.show import show_program

        return show_program(self.complete())

    __repr__ = __str__

    def to_string(self, throw_on_error: bool = False, with_details: bool = False) -> str:
        """What `print` shows."""
        return str(self)


def _open_end(program: Program, tensors: Mapping[str, Tensor]) -> None:
    """Take the assignments off the end, so that more ops can follow."""
    block, tracer = program.global_block, program.tracer
    known = {**tensors, RNG_NAME: STATE}
    for name, tensor in known.items():
        if name in block.vars and block.vars[name].persistable:
            tracer.captured[id(tensor)] = tensor, block.vars[name]
    held = {var: tensor for tensor, var in tracer.captured.values()}
    for op in [op for op in block.ops if op.type == "assign_persistable"]:
        target, value = op.inputs["Target"][0], op.inputs["X"][0]
        block.remove(op)
        if target in held:
            tracer.current[id(held[target])] = tracer.traced(value)
        else:
            program.stored[target] = value


def keep_guards(program: ir.Program) -> None:
    """Drop the guards on sizes that the Program's inputs do not tell: of inputs that are not fed,
    whose ops are gone.
    """
    known = {name for var in program.inputs for name in plain_symbols(var)}
    program.guards[:] = [
        guard for guard in program.guards
        if known.issuperset([*symbols_of(guard.left), *symbols_of(guard.right)])
    ]  # fmt: skip


def _for_test(program: ir.Program) -> ir.Program:
    block = program.global_block
    block.results = [
        var for op in block.ops
        if op.attrs.get("op_role", 0) in _FORWARD_ROLES and op.type not in _STATE_OPS
        for var in op.out_vars
    ]  # fmt: skip
    copy = for_inference(program, len(block.results))
    copy.global_block.results = []
    return copy
