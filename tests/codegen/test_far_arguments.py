"""Values that wait in registers while a function of its own computes a far argument's sine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from row_programs import program_of

import wherry.runtime
from wherry.codegen import build_shared_object
from wherry.runtime.cpu import supported_levels
from wherry.schema.dtypes import as_dtype

SINGLE, DOUBLE = as_dtype("float32"), as_dtype("float64")


def waiting(F: Any, w: Any, x: Any, y: Any, z: Any) -> list[Any]:
    """w * sin(w) with w in float64, and single ones that wait for one another."""
    wide = F.elementwise_mul(w, F.cast(F.sin(F.cast(w, out_dtype=SINGLE)), out_dtype=DOUBLE))
    first = F.elementwise_mul(F.sin(x), F.cos(y))
    second = F.elementwise_mul(F.tan(z), F.sin(F.elementwise_add(x, y)))
    return [wide, F.elementwise_add(first, second)]


def expected(w: Any, x: Any, y: Any, z: Any) -> list[Any]:
    x, y, z, both = (a.astype(np.float64) for a in (x, y, z, x + y))
    single = np.sin(x) * np.cos(y) + np.tan(z) * np.sin(both)
    return [w * np.sin(w.astype(np.float32).astype(np.float64)), single]


def test_what_waits_for_a_far_argument_keeps_all_of_its_lanes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    near, far = rng.uniform(-9, 9, (4, 4096)), rng.uniform(-1e30, 1e30, (4, 4096))
    w, *singles = np.where(rng.random((4, 4096)) < 0.1, far, near)
    inputs = [w, *(x.astype(np.float32) for x in singles)]
    program = program_of(waiting, ((4096,), "float64"), *[((4096,), "float32")] * 3)
    for level in supported_levels():
        path = tmp_path / f"{level}.so"
        path.write_bytes(build_shared_object(program, {}, [level], "net"))
        for got, want in zip(wherry.runtime.load(path)(*inputs), expected(*inputs), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5, err_msg=level)
