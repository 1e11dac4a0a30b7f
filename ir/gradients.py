"""append_backward: the ops that compute gradients, by reverse accumulation over a block.

Each op's `grad` rule is run with an emitter that appends to the same block. Gradients are called
`x@GRAD` and their ops have the attribute op_role = 1, as in Paddle. `stop_gradient` on a Variable
ends the flow there. The gradient of a `cond` is a `cond` of its branches' gradients, which compute
the branch again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .emit import BlockEmitter, GradContext
from .infer import inferring
from .opdef import OpDef, get_op
from .program import Block, OpDesc, Program, Slots, Variable

BACKWARD_ROLE = 1


def append_backward(
    program: Program,
    targets: Sequence[Variable],
    target_grads: Sequence[Variable | None] | None = None,
    wrt: Sequence[Variable] = (),
    all_named: bool = False,
    block: Block | None = None,
) -> list[Variable | None]:
    """Append to the block (None: the global one) what computes the gradients of `targets` with
    respect to `wrt`.

    `target_grads` are the gradients that come in, of the targets' types; None stands for ones.
    With `all_named` each Variable on the way has a gradient of its own name, also where an op hands
    one on as it is. Returns one Variable per Variable of `wrt`, None where no target depends on it.
    Raises OpError, with the user's line, where an op on the way has no gradient.
    """
    return _Backward(block or program.global_block, wrt, all_named).run(targets, target_grads)


class _Backward:
    """Reverse accumulation in one block; `parts` holds what has come in for each Variable."""

    def __init__(self, block: Block, wrt: Sequence[Variable], all_named: bool = False) -> None:
        self.block, self.wrt, self.all_named = block, wrt, all_named
        self.ops = list(block.ops)
        self.active = _active(self.ops, wrt)
        self.parts: dict[Variable, list[Variable]] = {}
        self.named: dict[Variable, Variable] = {}
        self.hooks: dict[Variable, list[OpDesc]] = {}
        for op in self.ops:
            if op.type == "gradient_hook":
                self.hooks.setdefault(op.inputs["X"][0], []).append(op)

    def run(
        self, targets: Sequence[Variable], target_grads: Sequence[Variable | None] | None
    ) -> list[Variable | None]:
        grads = target_grads or [None] * len(targets)
        F = self.emitter(None)
        for target, grad in zip(targets, grads, strict=True):
            if target in self.active:
                self.add(target, F.full(target.shape, 1.0, target.dtype) if grad is None else grad)
        for op in reversed(self.ops):
            # What an op without a gradient gives can still be what the gradient is asked for.
            has_rule = get_op(op.type).grad is not None
            if has_rule and any(var in self.parts for var in op.out_vars):
                self.op(op)
        return [self.total(var) for var in self.wrt]

    def emitter(self, op: OpDesc | None) -> BlockEmitter:
        extra = {"op_role": BACKWARD_ROLE}
        return BlockEmitter(self.block, op.loc if op else None, extra=extra)

    def add(self, var: Variable, grad: Variable) -> None:
        if grad.shape != var.shape:
            # Equal sizes in another form: the reshape states it as a guard.
            grad = self.emitter(var.op).reshape2(grad, shape=list(var.shape))
        self.parts.setdefault(var, []).append(grad)

    def total(self, var: Variable) -> Variable | None:
        """The sum of what has come in for the Variable, under the name `x@GRAD`."""
        parts = self.parts.get(var)
        if not parts:
            return None
        F = self.emitter(var.op)
        total = parts[0]
        for part in parts[1:]:
            total = F.elementwise_add(total, part)
        if self.all_named and self.named.get(total, var) is not var:
            total = F.assign(total)
        for hook in self.hooks.pop(var, []):
            total = self.hooked(hook, total)
        self.parts[var] = [total]
        self.name(total, var)
        return total

    def hooked(self, hook: OpDesc, grad: Variable) -> Variable:
        """What a hook makes of the whole gradient of its Variable: its block's ops, copied here."""
        block, before = hook.attrs["block"], len(self.block.ops)
        copy = BlockCopier(self.block, with_effects=True)
        copy.vars.update(zip(block.args, [grad, *hook.inputs.get("Extra", [])], strict=True))
        copy.ops(block.ops)
        for op in self.block.ops[before:]:
            op.attrs["op_role"] = BACKWARD_ROLE
        return copy.vars[block.results[0]]

    def name(self, grad: Variable, var: Variable) -> None:
        """A gradient that an op here computed takes the name, if it has none of that kind yet."""
        is_ours = grad.op is not None and grad.op.attrs.get("op_role") == BACKWARD_ROLE
        if is_ours and grad not in self.named:
            self.block.drop_var(grad)
            grad.name = self.block.program.unique(f"{var.name}@GRAD")
            self.block.vars[grad.name] = grad
            self.block.program.names.add(grad.name)
            self.named[grad] = var

    def op(self, op: OpDesc) -> None:
        """Emit the gradient of one op and hand it to the inputs."""
        opdef = get_op(op.type)
        grads = {slot: [self.total(v) for v in vars_] for slot, vars_ in op.outputs.items()}
        needs = {slot: [v in self.active for v in vars_] for slot, vars_ in op.inputs.items()}
        F = self.emitter(op)
        with inferring(op.type, op.loc, self.block.program.guards):
            found = _declared_grad(F, opdef, op, grads, needs)
        for slot, vars_ in op.inputs.items():
            for var, grad in zip(vars_, found.get(slot, []), strict=False):
                if grad is not None and var in self.active:
                    self.add(var, grad)


def _active(ops: Iterable[OpDesc], wrt: Sequence[Variable]) -> set[Variable]:
    """The Variables through which a gradient may flow to `wrt`."""
    active = {var for var in wrt if var.dtype.is_float}
    for op in ops:
        if get_op(op.type).grad is not None and any(var in active for var in op.in_vars):
            active.update(v for v in op.out_vars if v.dtype.is_float and not v.stop_gradient)
    return active


Grads = dict[str, list[Variable | None]]


def _declared_grad(
    F: BlockEmitter, opdef: OpDef, op: OpDesc, grads: Grads, needs: dict[str, list[bool]]
) -> Grads:
    """What the op's own rule says, by input slot."""
    assert opdef.grad is not None, f"{op.type} has no gradient: its outputs are not active"
    context = GradContext(
        opdef.pack(op.inputs),
        _by_slot(opdef, op.outputs),
        _by_slot(opdef, _zeros_in_lists(F, opdef, op, grads)),
        opdef.bind(op.attrs),
        [_need(slot.variadic, needs.get(slot.name, [])) for slot in opdef.inputs],
    )
    result = opdef.grad(F, context)
    return {
        slot.name: list(value) if slot.variadic and value is not None else [value]
        for slot, value in zip(opdef.inputs, result, strict=False)
    }


def _by_slot(opdef: OpDef, slots: Any) -> list[Any]:
    found = [list(slots.get(slot.name, [])) for slot in opdef.outputs]
    pairs = zip(opdef.outputs, found, strict=True)
    return [vars_ if slot.variadic else (vars_ or [None])[0] for slot, vars_ in pairs]


def _need(variadic: bool, found: list[bool]) -> Any:
    return found if variadic else any(found)


def _zeros_in_lists(F: BlockEmitter, opdef: OpDef, op: OpDesc, grads: Grads) -> Grads:
    """In a slot of many outputs, one without influence has a gradient of zeros."""
    lists = {slot.name for slot in opdef.outputs if slot.variadic}
    return {
        slot: [
            _zeros(F, var) if grad is None and slot in lists and var.dtype.is_float else grad
            for var, grad in zip(op.outputs[slot], found, strict=True)
        ]
        for slot, found in grads.items()
    }


def _zeros(F: BlockEmitter, like: Variable) -> Variable:
    new: Variable = F.full(like.shape, 0.0, like.dtype)
    return new


def branch_grad(
    outer: Block, branch: Block, wanted: list[int], given: dict[int, Variable]
) -> Block:
    """A block from a branch's arguments and its results' gradients to those of `wanted`."""
    program = outer.program
    block = program.create_block(outer)
    copy = BlockCopier(block)
    args = [copy.argument(arg) for arg in branch.args]
    grads = {
        i: block.add_arg(program.unique(f"{out.name}@GRAD.in"), out.shape, out.dtype)
        for i, out in given.items()
    }
    copy.ops(branch.ops)
    results = [copy.vars[var] for var in branch.results]
    wrt = [args[i] for i in wanted]
    F = BlockEmitter(block, extra={"op_role": BACKWARD_ROLE})
    # What the `cond` gives may have sizes of its own for those that this branch found.
    fitted = [
        grads[i] if grads[i].type == results[i].type
        else F.reshape2(grads[i], shape=list(results[i].shape))
        for i in given
    ]  # fmt: skip
    found = _Backward(block, wrt).run([results[i] for i in given], fitted)
    pairs = zip(wrt, found, strict=True)
    block.results = [_zeros(F, var) if grad is None else grad for var, grad in pairs]
    return block


class BlockCopier:
    """Copies ops into another block of the same Program, under new names.

    Effects are left out, unless they are to stay: a `print` hands its input on, an `assert` goes.
    """

    def __init__(self, block: Block, with_effects: bool = False) -> None:
        self.block, self.with_effects = block, with_effects
        self.vars: dict[Variable, Variable] = {}

    def argument(self, var: Variable) -> Variable:
        """A new argument of the block for one of the block that is copied."""
        self.vars[var] = self.fresh(var)
        self.block.args.append(self.vars[var])
        return self.vars[var]

    def fresh(self, var: Variable) -> Variable:
        name = self.block.program.unique(f"{var.name}.again")
        return self.block.create_var(name, var.shape, var.dtype, stop_gradient=var.stop_gradient)

    def ops(self, ops: Iterable[OpDesc]) -> None:
        for op in ops:
            if op.type == "print" and not self.with_effects:
                self.vars[op.output()] = self.vars[op.inputs["In"][0]]
            elif op.type != "assert" or self.with_effects:
                self.block.append(self.op(op))

    def op(self, op: OpDesc) -> OpDesc:
        inputs = {slot: [self.vars[v] for v in vars_] for slot, vars_ in op.inputs.items()}
        outputs: Slots = {}
        for slot, vars_ in op.outputs.items():
            outputs[slot] = [self.fresh(v) for v in vars_]
            self.vars.update(zip(vars_, outputs[slot], strict=True))
        attrs = {name: self.attr(value) for name, value in op.attrs.items()}
        return OpDesc(op.type, inputs, outputs, attrs, op.loc)

    def attr(self, value: Any) -> Any:
        if not isinstance(value, Block):
            return list(value) if isinstance(value, list) else value
        block = self.block.program.create_block(self.block)
        inner = BlockCopier(block)
        for arg in value.args:
            inner.argument(arg)
        inner.ops(value.ops)
        block.results = [inner.vars[var] for var in value.results]
        return block
