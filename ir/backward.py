"""Training: a Program split into one that runs forward and one that computes the gradients.

    forward:  inputs, persistables                     -> user outputs, residuals
    backward: residuals, some inputs, output gradients -> gradients of inputs and parameters

What is pointwise or a mere view is computed again in backward, from the results of the other ops,
which forward hands out as residuals. Persistables that forward assigns are residuals too: backward
needs the value that forward saw.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from wherry.schema.errors import OpError

from .dims import SymDim, symbol, symbols_of
from .emit import BlockEmitter
from .found import Found, dims_in
from .gradients import BACKWARD_ROLE, append_backward
from .opdef import get_op
from .passes.base import each_block, live_blocks, rewrite
from .passes.cse import Cse
from .passes.dce import Dce
from .passes.decompose import expansion
from .passes.simplify import Simplify
from .program import Block, OpDesc, Program, Variable

# Cheap enough to be done twice, beside the pointwise ops: views, broadcasts, constants.
_RECOMPUTED = frozenset([
    "reshape2", "squeeze2", "unsqueeze2", "flatten_contiguous_range", "expand_v2", "expand_as_v2",
    "fill_constant", "fill_any_like", "range", "shape",
])  # fmt: skip


@dataclass(frozen=True)
class Source:
    """Where an input of the backward Program comes from.

    "input": the forward Program's input of this index. "residual": its output n_outputs + index.
    "grad": the gradient of its output of this index (zeros where none came in).
    """

    kind: Literal["input", "residual", "grad"]
    index: int


@dataclass(frozen=True)
class TrainingPrograms:
    """A forward and a backward Program, and how their inputs and outputs belong together.

    `forward.outputs` are the user's `n_outputs`, in their order, then the residuals; a Variable may
    occur twice. `sources[i]` says where `backward.inputs[i]` comes from; `wrt[i]` names the forward
    input or persistable whose gradient `backward.outputs[i]` is. Those that were asked for and are
    not in `wrt` do not influence any output: their gradient is None. Backward reads parameters as
    persistables of its own, under the same names: they must be as forward saw them.
    """

    forward: Program
    backward: Program
    n_outputs: int
    sources: tuple[Source, ...]
    wrt: tuple[str, ...]

    @property
    def residuals(self) -> list[Variable]:
        """The outputs of forward that only backward reads."""
        return self.forward.outputs[self.n_outputs :]


def split_training(program: Program, wrt: Sequence[str] | None = None) -> TrainingPrograms:
    """Split a Program for training; the Program itself stays as it is.

    `wrt` names the inputs and persistables that need a gradient; by default all whose stop_gradient
    is False. The gradients that come in are those of the outputs that are floats and not stopped.
    Raises OpError, with the user's line, where an op on the way has no gradient.
    """
    joint = program.clone()
    each_block(joint, lambda block: rewrite(block, _keep_argmax))
    wanted = _wanted(joint, wrt)
    grad_args = _add_output_grads(joint)
    grads = append_backward(
        joint, [joint.outputs[i] for i in grad_args], list(grad_args.values()), wanted
    )
    found = [(var.name, grad) for var, grad in zip(wanted, grads, strict=True) if grad is not None]
    n_outputs = len(joint.outputs)
    joint.outputs.extend(grad for _, grad in found)
    for one in (Simplify(), Cse(), Dce()):
        one.run(joint)
    split = _Split(joint, n_outputs, {var.name: i for i, var in grad_args.items()})
    forward, backward, sources = split.run()
    return TrainingPrograms(
        forward, backward, n_outputs, tuple(sources), tuple(name for name, _ in found)
    )


def _keep_argmax(F: BlockEmitter, op: OpDesc) -> list[Variable | None] | None:
    """A max pooling becomes the op that gives its argmax too, so that backward has it."""
    is_max = op.type == "pool2d" and op.attrs.get("pooling_type") == "max"
    return expansion(F, op) if is_max else None


def _wanted(program: Program, wrt: Sequence[str] | None) -> list[Variable]:
    known = [*program.inputs, *(var for var in program.persistables if var.op is None)]
    if wrt is None:
        return [var for var in known if var.dtype.is_float and not var.stop_gradient]
    by_name = {var.name: var for var in known}
    return [by_name[name] for name in wrt]


def _add_output_grads(program: Program) -> dict[int, Variable]:
    """New inputs for the gradients that come in, by the index of the output."""
    return {
        i: program.global_block.add_arg(program.unique(f"{var.name}@GRAD.in"), var.shape, var.dtype)
        for i, var in enumerate(program.outputs)
        if var.dtype.is_float and not var.stop_gradient
    }


class _Split:
    """Cuts the joint Program between its forward and its backward ops."""

    def __init__(self, joint: Program, n_outputs: int, grad_args: dict[str, int]) -> None:
        self.joint, self.n_outputs, self.grad_args = joint, n_outputs, grad_args
        self.inputs = [v for v in joint.inputs if v.name not in grad_args]
        self.assigned = {
            op.inputs["Target"][0]
            for op in joint.global_block.ops if op.type == "assign_persistable"
        }  # fmt: skip
        self.found = Found(joint)
        self.recomputed: set[OpDesc] = set()
        self.residuals: dict[Variable, None] = {}

    def run(self) -> tuple[Program, Program, list[Source]]:
        ops = self.joint.global_block.ops
        backward = [op for op in ops if op.attrs.get("op_role") == BACKWARD_ROLE]
        inside = set(backward)
        read = [value for op in backward for value in self.needs(op)]
        for var in [*read, *self.gradients()]:
            if var.op not in inside:
                self.need(var)
        inside |= self.recomputed
        return self.forward(), *self.backward([i for i, op in enumerate(ops) if op in inside])

    def gradients(self) -> list[Variable]:
        return self.joint.outputs[self.n_outputs :]

    def need(self, var: Variable) -> None:
        """Backward reads this value of forward's: compute it again, or keep it as a residual."""
        pending = [var]
        while pending:
            var = pending.pop()
            op = var.op
            if op is None:
                if var in self.assigned:
                    self.residuals[var] = None
            elif not (get_op(op.type).is_map or op.type in _RECOMPUTED):
                self.residuals[var] = None
            elif op not in self.recomputed:
                self.recomputed.add(op)
                pending.extend(reversed(self.needs(op)))

    def needs(self, op: OpDesc) -> list[Variable]:
        """What the op reads, and something that shows each size which forward finds for it."""
        return [*op.in_vars, *(self.showing(name) for name in sorted(self.found.uses(op)))]

    def showing(self, name: str) -> Variable:
        """A result of the op that finds a size, with the size among its own."""
        for op in self.joint.global_block.ops:
            for var in op.out_vars if name in self.found.finds(op) else ():
                if name in plain_symbols(var):
                    return var
        raise OpError(
            f"needs the size {name}, which only a branch or a loop knows, for the gradient; let it "
            "give what has that size as a result"
        )

    def forward(self) -> Program:
        """The joint Program with the residuals as results; dce drops what is backward's."""
        program = self.joint.clone()
        block = program.global_block
        block.args[:] = [block.vars[var.name] for var in self.inputs]
        for name in self.grad_args:
            block.drop_var(block.vars[name])
        kept = [op for op in block.ops if op.attrs.get("op_role") != BACKWARD_ROLE]
        _keep_ops(block, kept)
        block.results[self.n_outputs :] = [block.vars[var.name] for var in self.residuals]
        Dce().run(program)
        _keep_guards(program)
        return program

    def backward(self, keep: list[int]) -> tuple[Program, list[Source]]:
        """The joint Program with the residuals as arguments, and only the ops at these places."""
        program = self.joint.clone()
        block = program.global_block
        del block.results[: self.n_outputs]
        sources = {
            **{var.name: Source("residual", i) for i, var in enumerate(self.residuals)},
            **{var.name: Source("input", i) for i, var in enumerate(self.inputs)},
            **{name: Source("grad", i) for name, i in self.grad_args.items()},
        }
        args = [block.vars[name] for name in sources]
        _keep_ops(block, [block.ops[index] for index in keep], args)
        for var in args:
            var.op, var.persistable, var.trainable = None, False, False
        block.args[:] = args
        Dce().run(program)
        block.args[:] = _needed_args(program)
        for var in set(args) - set(block.args):
            block.drop_var(var)
        ordered = [sources[var.name] for var in block.args]
        _plain_dims(block)
        _keep_guards(program)
        return program, ordered


def _keep_ops(block: Block, keep: list[OpDesc], spare: Iterable[Variable] = ()) -> None:
    """Leave only these ops; what the others define is forgotten, but for what is in `spare`."""
    kept, spared = set(keep), set(spare)
    for op in block.ops:
        if op not in kept:
            for var in op.out_vars:
                if var not in spared:
                    block.drop_var(var)
    block.ops[:] = keep


def _needed_args(program: Program) -> list[Variable]:
    """The arguments that are read, and for each symbol that no one of them binds, one that does."""
    block = program.global_block
    read = {*block.results, *(var for op in block.ops for var in op.in_vars)}
    needed = [var for var in block.args if var in read]
    missing = set(_symbols(program, needed)) - {name for v in needed for name in plain_symbols(v)}
    for var in block.args:
        if var not in read and missing.intersection(plain_symbols(var)):
            missing.difference_update(plain_symbols(var))
            read.add(var)
    return [var for var in block.args if var in read]


def plain_symbols(var: Variable) -> list[str]:
    """The symbols that are dims of the Variable by themselves: its shape tells their values."""
    return [str(dim) for dim in var.shape if is_plain(dim)]


def is_plain(dim: object) -> bool:
    """Whether a dim is a symbol by itself."""
    return isinstance(dim, SymDim) and list(symbols_of(dim)) == [str(dim)]


def _symbols(program: Program, args: Sequence[Variable]) -> Iterator[str]:
    """The symbols that occur in the ops of a Program and in these arguments."""
    for block in live_blocks(program):
        variables = [v for op in block.ops for v in (*op.in_vars, *op.out_vars)]
        local = block.args if block.parent else args
        for var in (*variables, *block.results, *local):
            for dim in var.shape:
                yield from symbols_of(dim)
        for op in block.ops:
            for value in op.attrs.values():
                for dim in dims_in(value):
                    yield from symbols_of(dim)


def _plain_dims(block: Block) -> None:
    """Let arguments have plain symbols as dims: one of [2*B] comes in as [d0] and is reshaped."""
    F = BlockEmitter(block, at=0, extra={"op_role": BACKWARD_ROLE})
    used = set(_symbols(block.program, block.args))
    for index, var in enumerate(block.args):
        if all(isinstance(dim, int) or is_plain(dim) for dim in var.shape):
            continue
        shape = [
            dim if isinstance(dim, int) or is_plain(dim) else _fresh(used) for dim in var.shape
        ]
        name = block.program.unique(f"{var.name}.in")
        block.args[index] = block.create_var(name, shape, var.dtype)
        inner = F.reshape2(block.args[index], shape=list(var.shape))
        block.replace_uses({var: inner})
        block.drop_var(var)


def _fresh(used: set[str]) -> SymDim:
    """A symbol that is new among `used`."""
    name = next(f"d{i}" for i in range(len(used) + 1) if f"d{i}" not in used)
    used.add(name)
    return symbol(name)


def _keep_guards(program: Program) -> None:
    """Drop the guards on symbols that the Program's inputs do not tell."""
    known = {name for var in program.inputs for name in plain_symbols(var)}
    program.guards[:] = [
        guard for guard in program.guards
        if known.issuperset([*symbols_of(guard.left), *symbols_of(guard.right)])
    ]  # fmt: skip


__all__ = ["Source", "TrainingPrograms", "append_backward", "split_training"]
