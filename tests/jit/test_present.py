# mypy: disable-error-code="possibly-undefined"
"""A variable that may have no value raises where it is read, also where it is only passed on."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent
from typing import Any

import gast
import pytest

import wherry as paddle
from wherry.jit import to_static
from wherry.jit.transforms import Context
from wherry.jit.transforms.present import Present
from wherry.jit.transforms.scope import names_in

# Each `y` is as it should be: `_jst.present(y)` where it may have no value.
KEPT = [
    "y = x\ny",
    "if x:\n    y = x\nelse:\n    y = 0\ny",
    "if x:\n    y = x\nelse:\n    return 0\ny",
    "if x:\n    raise ValueError\nelse:\n    y = 0\ny",
    "for y in x:\n    y",
    "for i in x:\n    y = i\n    y",
    "for i in x:\n    if i:\n        continue\n    y = i\n    y",
    "try:\n    y = x\nexcept KeyError:\n    y = 0\ny",
    "try:\n    y = x\nexcept KeyError as y:\n    y\n    raise\ny",
    "try:\n    x\nfinally:\n    y = x\ny",
    "try:\n    x\nexcept KeyError:\n    return\nelse:\n    y = x\ny",
    "with x as y:\n    y\ny",
    "if (y := x) and y:\n    y\ny",
    "if x and (y := x):\n    y",
    "if not (x and (y := x)):\n    pass\nelse:\n    y",
    "z = (y := x) or y\ny",
    "z = y if (y := x) else y",
    "import y\ny",
    "def y():\n    return y\ny",
    "z = {y: y for y in x}",
    "f = lambda y: y",
    "return x\ny",
    "y: int = x\ny",
    "y += 1\ny",
    "def g():\n    return z",
]
ASKED = [
    "if x:\n    y = x\nY",
    "while x:\n    y = x\nY",
    "for y in x:\n    pass\nY",
    "for i in x:\n    y = i\nelse:\n    Y\nY",
    "for i in x:\n    if i:\n        Y\n    y = i",
    "try:\n    y = x\nexcept KeyError:\n    Y\nY",
    "try:\n    y = x\nfinally:\n    Y\ny",
    "try:\n    pass\nexcept KeyError as y:\n    y\nY",
    "y = x\ndel y\nY",
    "y = x\nfor i in x:\n    Y\n    y = i\n    del y",
    "x and (y := x)\nY",
    "if x or (y := x):\n    Y",
    "y: int\nY",
    "if x:\n    y = x\nz = [Y for i in x]",
    "if x:\n    y = x\nf = lambda z: Y",
    "def g():\n    return Y\nif x:\n    y = x",
    "if x:\n    y = x\n    return\nY",
]


# Behind which it is deleted.
DELETED = "if x:\n    y = x\ndel y, x.z", "if x:\n    y = x\nY\ndel y, x.z"


def test_a_name_that_is_deleted_is_asked_for() -> None:
    before, after = (text.replace("\n", "\n    ") for text in DELETED)
    tree = gast.parse(f"def f(x):\n    {before}")
    wanted = gast.parse(f"def f(x):\n    {after}".replace("Y", "_jst.present(y)"))
    found = Present(Context("f", "", names_in(tree))).visit(tree)
    assert gast.unparse(gast.fix_missing_locations(found)) == gast.unparse(wanted)


def deleted_by_rounds(x: Any) -> Any:
    y = x + 1
    for i in range(2):
        if x[0] > i:
            del y
    return x


@pytest.mark.parametrize("body", [*KEPT, *ASKED])
def test_text(body: str) -> None:
    indented = body.replace("\n", "\n    ")
    tree = gast.parse(f"def f(x):\n    {indented}".replace("Y", "y"))
    wanted = gast.parse(f"def f(x):\n    {indented}".replace("Y", "_jst.present(y)"))
    found = Present(Context("f", "", names_in(tree))).visit(tree)
    assert gast.unparse(gast.fix_missing_locations(found)) == gast.unparse(wanted), dedent(body)


def put_into_a_tuple(x: Any) -> Any:
    if x.sum() > 0:
        y = x * 2
    try:
        pair = x, y
        if x[0] < 0:
            raise KeyError("k")
    except UnboundLocalError:
        return x - 100
    except KeyError:
        return x + 100
    return pair


def put_into_a_list(x: Any) -> Any:
    rows = []
    if x.sum() > 0:
        y = x * 2
    try:
        rows.append(y)
    except NameError:
        rows.append(x)
    return rows


def put_into_a_dict_and_given_a_name(x: Any) -> Any:
    if x.sum() > 0:
        y = x * 2
    try:
        table = {"a": y, "b": [y]}
        z = y
    except NameError:
        return x
    return table, z


def read_by_a_function_inside(x: Any) -> Any:
    def inside() -> Any:
        return [y]

    try:
        if x.sum() > 0:
            y = x * 2
        found = inside()
    except NameError:
        return x
    return found


def bound_by_rounds(x: Any) -> Any:
    for row in x[x > 0]:
        y = row * 2
    try:
        return [y, x]
    except UnboundLocalError:
        return x


def before_another_error(x: Any) -> Any:
    if x.sum() > 0:
        y = x * 2
    z = y
    if x[0] < -1:
        raise KeyError("k")
    return z


def returned(x: Any) -> Any:
    if x.sum() > 1:
        y = x * 2
    try:
        if x[0] > 0:
            return x, [y]
        if x[1] > 0:
            return y
    except Exception:
        return -x
    return x + 5


@pytest.mark.parametrize(
    "function",
    [
        put_into_a_tuple, put_into_a_list, put_into_a_dict_and_given_a_name,
        read_by_a_function_inside, bound_by_rounds, before_another_error, returned,
        deleted_by_rounds,
    ],
)  # fmt: skip
def test_as_in_dynamic_mode(function: Callable[[Any], Any]) -> None:
    static = to_static(function)
    for values in ([1.0, 2.0], [1.0, -3.0], [-1.0, 0.5], [-1.0, 5.0], [-1.0, -1.0], [-2.0, 1.0]):
        x = paddle.to_tensor(values)
        assert outcome(static, x) == outcome(function, x), values


def outcome(function: Callable[[Any], Any], x: Any) -> Any:
    try:
        return str(function(x))
    except KeyError:
        return KeyError
    except NameError:
        return NameError
