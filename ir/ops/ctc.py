"""The loss of connectionist temporal classification, which compiled code asks its caller for."""

from __future__ import annotations

from typing import Any

from wherry.schema.dtypes import float32, float64

from ..emit import Emitter, GradContext
from ..infer import TensorType, fail, fail_type, require, show
from ..opdef import f32, f64, lit, op, sample
from ..rules import integers
from .grads import reshape_to
from .linalg import host


def _ctc_infer(
    logits: TensorType, label: TensorType, steps: TensorType, lengths: TensorType, **_: Any
) -> tuple[TensorType, TensorType]:
    if logits.dtype not in (float32, float64):
        fail_type(f"needs Logits' dtype to be float32 or float64, got {logits.dtype.name}")
    for slot, t, ndim in (("Logits", logits, 3), ("Label", label, 2),
                          ("LogitsLength", steps, 1), ("LabelLength", lengths, 1)):  # fmt: skip
        if t.ndim != ndim:
            fail(f"needs {slot} with {ndim} dims, got {slot} = {show(t.shape)}")
        if t is not logits:
            integers(t, slot)
    batch = logits.shape[1]
    for slot, dim in (("Label", label.shape[0]), ("LogitsLength", steps.shape[0]),
                      ("LabelLength", lengths.shape[0])):  # fmt: skip
        require(dim, "==", batch, f"needs {slot} of as many examples as Logits, got {slot} of "
                f"{show((dim,))} and Logits {show(logits.shape)}")  # fmt: skip
    return TensorType((batch, 1), logits.dtype), logits


def _ctc_grad(F: Emitter, c: GradContext) -> tuple[Any, None, None, None]:
    g = reshape_to(F, c.g, (1, F.type_of(c.g).shape[0], 1))
    return F.elementwise_mul(c.outputs[1], g), None, None, None


_LABELS = lit([[1, 2, 2], [3, 1, 0]], "int32")

op(
    # The gradient of the first output in Logits is the second one, which has none itself.
    "warpctc", "Logits Label LogitsLength LabelLength", "Loss WarpCTCGrad",
    attrs={"blank": 0, "norm_by_times": False},
    infer=_ctc_infer,
    reference=lambda *arrays, **attrs: host("warpctc", *arrays, **attrs),
    grad=_ctc_grad,
    samples=[
        # Not of the second output, which a table of tests would differentiate too.
        sample(f32(5, 2, 4), _LABELS, lit([5, 4], "int64"), lit([3, 2], "int64"), grad=False),
        sample(f64(6, 2, 4), _LABELS, lit([6, 6], "int64"), lit([2, 0], "int64"), grad=False,
               blank=3, norm_by_times=True),
    ],
)  # fmt: skip
