"""How an op is declared: one literal with all its rules, found by the printer, the tests, every
pass.

    relu = op(
        "relu", "X", infer=lambda x: x, reference=lambda x: np.maximum(x, 0), scalar=lambda b, x:
        b.max(x, 0), grad=lambda F, c: (F.elementwise_mul(c.g, F.cast(F.greater_than(c.out,
        F.zero(c.out)), ...)),), samples=[sample(f32(3, 4)), sample(f32(0)), sample(f32())],
    )

Slots are positional in every rule, attributes are keywords. An input slot is written "X" (one
Variable), "X?" (may be absent: the rule gets None) or "X*" (any number: the rule gets a list). An
op with one output slot returns that value; with several, a tuple in their order; "Out*" stands for
a list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from wherry.schema.dtypes import DType, as_dtype
from wherry.schema.errors import UnknownOpError


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = _Required()
Rule = Callable[..., Any]


@dataclass(frozen=True)
class Slot:
    """An input or output slot: its Paddle name, and whether it may be empty or hold several."""

    name: str
    optional: bool = False
    variadic: bool = False

    @staticmethod
    def parse(text: str) -> Slot:
        return Slot(text.rstrip("?*"), text.endswith("?"), text.endswith("*"))


@dataclass(frozen=True)
class ArraySpec:
    """How a sample's input is made: a literal, or random numbers of a shape, dtype and range."""

    shape: tuple[int, ...]
    dtype: DType
    low: float = -2.0
    high: float = 2.0
    value: Any = None

    def make(self, rng: np.random.Generator) -> np.ndarray[Any, Any]:
        if self.value is not None:
            return np.array(self.value, self.dtype.numpy)
        if self.dtype.numpy.kind == "b":
            return rng.integers(0, 2, self.shape).astype(bool)
        if self.dtype.is_integer:
            return rng.integers(int(self.low), int(self.high), self.shape).astype(self.dtype.numpy)
        return np.asarray(rng.uniform(self.low, self.high, self.shape)).astype(self.dtype.numpy)


def f32(*shape: int, low: float = -2.0, high: float = 2.0) -> ArraySpec:
    return ArraySpec(shape, as_dtype("float32"), low, high)


def f64(*shape: int, low: float = -2.0, high: float = 2.0) -> ArraySpec:
    return ArraySpec(shape, as_dtype("float64"), low, high)


def i64(*shape: int, low: int = -5, high: int = 6) -> ArraySpec:
    """int64 in [low, high)."""
    return ArraySpec(shape, as_dtype("int64"), low, high)


def i32(*shape: int, low: int = -5, high: int = 6) -> ArraySpec:
    """int32 in [low, high)."""
    return ArraySpec(shape, as_dtype("int32"), low, high)


def boolean(*shape: int) -> ArraySpec:
    return ArraySpec(shape, as_dtype("bool"))


def lit(value: Any, dtype: str = "float32") -> ArraySpec:
    """This very value: for NaN, inf, ties, extremes."""
    return ArraySpec(np.shape(value), as_dtype(dtype), value=value)


@dataclass(frozen=True)
class Sample:
    """Inputs (by slot: a spec, None, or a list of specs) and attributes for the table of tests.

    `grad` False leaves the gradient check out where the op is not differentiable at this sample,
    with the reason as a comment beside it. `rtol`, `atol` widen compiled against reference where
    rounding needs it. `attrs` may not hold SymDims: tests make dims symbolic by themselves.
    """

    inputs: tuple[Any, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    grad: bool = True
    rtol: float | None = None
    atol: float | None = None

    def make(self, seed: int = 0) -> list[Any]:
        """The input arrays; the same for the same seed."""
        rng = np.random.default_rng(seed)

        def build(spec: Any) -> Any:
            if isinstance(spec, list):
                return [build(one) for one in spec]
            return None if spec is None else spec.make(rng)

        return [build(spec) for spec in self.inputs]


def sample(*inputs: Any, grad: bool = True, rtol: float | None = None, atol: float | None = None,
           **attrs: Any) -> Sample:  # fmt: skip
    return Sample(inputs, attrs, grad, rtol, atol)


@dataclass(frozen=True)
class OpDef:
    """The declaration of an op. See the module's text for how its rules are called."""

    type: str
    inputs: tuple[Slot, ...]
    outputs: tuple[Slot, ...]
    attrs: Mapping[str, Any]
    infer: Rule
    reference: Rule | None = None
    grad: Rule | None = None
    expand: Rule | None = None
    scalar: Rule | None = None
    samples: tuple[Sample, ...] = ()
    side_effect: bool = False
    no_samples: str = ""

    def bind(self, attrs: Mapping[str, Any]) -> dict[str, Any]:
        """The declared attributes with defaults filled in; extra ones are left out."""
        bound = {name: attrs.get(name, default) for name, default in self.attrs.items()}
        missing = [name for name, value in bound.items() if value is REQUIRED]
        if missing:
            raise TypeError(f"{self.type} needs the attribute {', '.join(missing)}")
        return bound

    def pack(self, slots: Mapping[str, Sequence[Any]]) -> list[Any]:
        """The inputs by slot as the rules take them: a value, None, or a list."""
        return [_unwrap(slot, list(slots.get(slot.name, ()))) for slot in self.inputs]

    def unpack(self, values: Sequence[Any]) -> dict[str, list[Any]]:
        """The inverse of `pack`: rule arguments as lists by slot name; empty slots left out."""
        if len(values) > len(self.inputs):
            raise TypeError(f"{self.type} has {len(self.inputs)} input slots, got {len(values)}")
        lists = {s.name: _as_list(s, v) for s, v in zip(self.inputs, values, strict=False)}
        return {name: found for name, found in lists.items() if found}

    def result_slots(self, result: Any) -> dict[str, list[Any]]:
        """A rule's result as lists by output slot name."""
        values = result if len(self.outputs) > 1 else (result,) * len(self.outputs)
        pairs = zip(self.outputs, values, strict=True)
        return {slot.name: _as_list(slot, value) for slot, value in pairs}

    def pack_results(self, slots: Mapping[str, Sequence[Any]]) -> Any:
        """Lists by output slot name as a rule returns them."""
        values = tuple(_unwrap(slot, list(slots.get(slot.name, ()))) for slot in self.outputs)
        return values[0] if len(values) == 1 else values or None

    @property
    def is_map(self) -> bool:
        """True for a pointwise op: it has a scalar formula, and its operands broadcast."""
        return self.scalar is not None


def _unwrap(slot: Slot, found: list[Any]) -> Any:
    if slot.variadic:
        return found
    return found[0] if found else None


def _as_list(slot: Slot, value: Any) -> list[Any]:
    if slot.variadic:
        return list(value)
    return [] if value is None else [value]


def _slots(text: str) -> tuple[Slot, ...]:
    return tuple(Slot.parse(word) for word in text.split())


OPS: Final[dict[str, OpDef]] = {}


def op(
    type: str,
    inputs: str,
    outputs: str = "Out",
    *,
    attrs: Mapping[str, Any] | None = None,
    infer: Rule,
    reference: Rule | None = None,
    grad: Rule | None = None,
    expand: Rule | None = None,
    scalar: Rule | None = None,
    samples: Sequence[Sample] = (),
    side_effect: bool = False,
    no_samples: str = "",
) -> OpDef:
    """Declare an op and enter it in the table `OPS`.

    `inputs` and `outputs` are slot names separated by spaces. `no_samples` says why an op cannot be
    in the table of tests (control flow: it has tests of its own).
    """
    if type in OPS:
        raise ValueError(f"op {type!r} is declared twice")
    OPS[type] = OpDef(
        type, _slots(inputs), _slots(outputs), dict(attrs or {}), infer, reference, grad, expand,
        scalar, tuple(samples), side_effect, no_samples,
    )  # fmt: skip
    return OPS[type]


def get_op(type: str) -> OpDef:
    """The declaration of an op. Raises UnknownOpError by name."""
    if type not in OPS:
        from . import ops  # noqa: F401  (fills the table)
    if type not in OPS:
        raise UnknownOpError(f"op {type!r} has no declaration; declare it in ir/ops/")
    return OPS[type]
