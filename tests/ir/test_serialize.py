"""Programs in files: every kind of attribute and block comes back; tables that lie are refused."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.ir.dims import dim_max, symbol
from wherry.ir.emit import BlockEmitter
from wherry.ir.infer import Guard
from wherry.ir.program import Block, Program
from wherry.ir.serialize import load_program, program_to_tables, save_program, tables_to_program
from wherry.ir.text import to_text
from wherry.schema.dtypes import as_dtype
from wherry.schema.errors import Loc, ModelFormatError, UnknownOpError
from wherry.schema.flat import Numbers, Where
from wherry.schema.program import PROGRAM

F32, BOOL = as_dtype("float32"), as_dtype("bool")
WHERE = Where("net.pdmodel")


def through_bytes(program: Program, **changes: Any) -> Program:
    """The Program written and read; some vectors may be changed between."""
    vectors = PROGRAM.read(PROGRAM.write(program_to_tables(program)), WHERE)
    vectors |= {f: np.array(v, PROGRAM.fields[f]) for f, v in changes.items()}
    return tables_to_program(Numbers(PROGRAM.read(PROGRAM.write(vectors), WHERE), WHERE))


def branch(program: Program, parent: Block, op: str) -> Block:
    block = program.create_block(parent)
    arg = block.add_arg(program.unique("arg"), (symbol("B"), 3), F32)
    emit = BlockEmitter(block, Loc("net.py", 9, "x = op(x)"))
    block.results.append(getattr(emit, op)(arg))
    return block


def make_program() -> Program:
    """relu or exp of x + w by a condition, with symbolic dims, a guard and a parameter."""
    made = Program()
    b = symbol("B")
    block = made.global_block
    x = block.add_arg("x", (b, 3), F32, is_data=True)
    flag = block.add_arg("flag", (), BOOL, is_data=True)
    w = made.add_constant("w", np.ones(3, np.float32), F32)
    emit = BlockEmitter(block, Loc("net.py", 7, "return f(x)"))
    total = emit.elementwise_add(x, w)
    branches = {f"{k}_block": branch(made, block, op) for k, op in
                (("true", "relu"), ("false", "exp"))}  # fmt: skip
    (chosen,) = emit.cond(flag, [total], **branches)
    block.results.append(chosen)
    made.guards.append(Guard(dim_max(b, 2) * 3, "<=", -1 + b * 9, "needs room", Loc("net.py", 1)))
    return made


@pytest.fixture
def program() -> Program:
    return make_program()


def same(left: Program, right: Program) -> None:
    assert to_text(left) == to_text(right).replace(" = [1.0, 1.0, 1.0]", "")
    assert left.guards == right.guards
    for a, b in zip(left.all_ops(), right.all_ops(), strict=True):
        assert (a.type, a.loc, list(a.attrs)) == (b.type, b.loc, list(b.attrs))


def test_a_program_with_blocks_comes_back(program: Program) -> None:
    found = through_bytes(program)
    same(found, program)
    assert [block.idx for block in found.blocks] == [0, 1, 2]
    assert found.blocks[1].parent is found.global_block
    assert found.outputs[0].op is found.global_block.ops[-1]
    assert found.unique("w") == "w_1"
    same(through_bytes(found), program)


def test_flags_of_variables_come_back(program: Program) -> None:
    weight = program.persistables[0]
    weight.trainable, weight.stop_gradient = True, False
    found = through_bytes(program)
    flags = [
        (v.name, v.persistable, v.stop_gradient, v.trainable, v.is_data)
        for v in found.global_block.vars.values()
    ]
    assert ("w", True, False, True, False) in flags and ("x", False, True, False, True) in flags


B = symbol("B")
VALUES = [
    None, True, False, 0, -7, 2**62, -(2**70), 1.5, float("inf"), float("-inf"), "", "späß\n",
    F32, BOOL, B, B * 2 + 1, [], [1, 2.5, "a"], [[B, -1], [None]], [F32, True],
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_every_kind_of_attribute_comes_back(program: Program, value: Any) -> None:
    program.global_block.ops[0].attrs["extra"] = value
    found = through_bytes(program).global_block.ops[0].attrs["extra"]
    assert found == value and type(found) is type(value)


def test_nan_and_numpy_scalars_come_back_as_numbers(program: Program) -> None:
    program.global_block.ops[0].attrs |= {"a": float("nan"), "b": np.int64(3), "c": np.float32(0.5)}
    found = through_bytes(program).global_block.ops[0].attrs
    assert found["a"] != found["a"] and (found["b"], found["c"]) == (3, 0.5)
    assert type(found["b"]) is int and type(found["c"]) is float


def test_an_attribute_without_a_form_is_refused(program: Program) -> None:
    program.global_block.ops[0].attrs["extra"] = [object()]
    with pytest.raises(TypeError, match="elementwise_add: attribute 'extra': a value of"):
        program_to_tables(program)


def test_source_lines_can_be_left_out(program: Program, tmp_path: Path) -> None:
    save_program(tmp_path / "net", program, strip_source=True)
    assert all(op.loc is None for op in load_program(tmp_path / "net")[0].all_ops())
    assert b"net.py" not in (tmp_path / "net.pdmodel").read_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"block_parent": [0, 0, 0]}, "a global block without a parent"),
        ({"block_parent": [-1, 2, 0]}, "block that comes before number below 1, got 2"),
        ({"arg_var": [0, 1, 90, 4]}, "Variable number below"),
        ({"slot_var": [0] * 3}, "counts of slot_var"),
        ({"var_flags": [255] * 9}, "a Variable with flags and a new name"),
        ({"spec_name": [0] * 9}, "a Variable with flags and a new name"),
        ({"var_flags": [0]}, "flags for each Variable"),
        ({"attr_name": []}, "one value for each attribute"),
        ({"value_kind": [9] * 3, "value_data": [1] * 3}, "a value of a known kind"),
        ({"guard_relation": [0]}, "a relation of dims"),
    ],
)
def test_tables_that_lie_are_refused(
    program: Program, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelFormatError, match=message):
        through_bytes(program, **changes)


@pytest.mark.parametrize("index", [0, 1])
def test_a_block_has_one_owner(program: Program, index: int) -> None:
    """Two attributes that name one block, or the global block, would make a cycle."""
    tables = program_to_tables(program)
    values = [index if kind == 8 else data for kind, data in
              zip(tables["value_kind"], tables["value_data"], strict=True)]  # fmt: skip
    with pytest.raises(ModelFormatError, match="one owner for block"):
        through_bytes(program, value_data=values)


def test_an_op_that_is_not_declared_is_named(program: Program) -> None:
    program.global_block.ops[0].type = "conv9d"
    with pytest.raises(UnknownOpError, match="conv9d"):
        through_bytes(program)


def test_a_program_that_breaks_the_rules_is_refused(program: Program) -> None:
    """The tables are sound, the Program is not: an op reads what is defined after it."""
    first, second = program.global_block.ops
    program.global_block.ops[:] = [second, first]
    with pytest.raises(ModelFormatError, match="a valid Program"):
        through_bytes(program)


@pytest.mark.parametrize(
    ("op", "attr", "value"),
    [(0, "axis", "x"), (1, "true_block", 3), (0, "axis", [1]), (0, "axis", None)],
)
def test_attributes_of_the_wrong_kind_are_refused(
    program: Program, op: int, attr: str, value: Any
) -> None:
    program.global_block.ops[op].attrs[attr] = value
    with pytest.raises(ModelFormatError, match="a valid Program"):
        through_bytes(program)


SOUND = PROGRAM.write(program_to_tables(make_program()))


@given(
    st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.integers(0, 255)), min_size=1, max_size=3)
)
@settings(deadline=None, max_examples=300)
def test_altered_tables_give_a_program_or_one_kind_of_error(changes: list[tuple[int, int]]) -> None:
    """What a crc would catch, without the crc in front."""
    data = bytearray(SOUND)
    for place, value in changes:
        data[place] = value
    with suppress(ModelFormatError, UnknownOpError):
        tables_to_program(Numbers(PROGRAM.read(bytes(data), WHERE), WHERE))
