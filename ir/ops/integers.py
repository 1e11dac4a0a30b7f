"""Of whole numbers: gcd, lcm. Compiled code asks its caller for them (`schema/host.py`)."""

from __future__ import annotations

from collections.abc import Sequence

from ..infer import TensorType
from ..opdef import i32, i64, lit, op, sample
from ..rules import broadcast, integers
from .linalg import host


def _divisors_infer(x: TensorType, y: TensorType) -> TensorType:
    return broadcast(integers(x, "X"), integers(y, "Y"))


def _declare_of_integers(types: Sequence[str]) -> None:
    for type in types:
        op(
            type, "X Y",
            infer=_divisors_infer,
            reference=lambda x, y, type=type: host(type, x, y),
            samples=[
                sample(lit([12, 20, 0, -9], "int64"), lit([18, 0, 0, 6], "int64")),
                sample(i32(2, 3), i32(3)), sample(i64(), i64(4)), sample(i64(0), i64(0)),
            ],
        )  # fmt: skip


_declare_of_integers(["gcd", "lcm"])
