"""The tables of a Program in a model file. What they mean is `wherry.ir.serialize`'s business."""

from __future__ import annotations

from typing import Final

from .flat import FlatTable
from .generated import program_generated

PROGRAM: Final = FlatTable(
    program_generated, "Program", b"WHPR",
    {
        "strings": "u1", "string_ends": "u4",
        "block_parent": "i4", "block_vars": "u4", "block_ops": "u4", "block_args": "u4",
        "block_results": "u4", "arg_var": "u4", "result_var": "u4",
        "spec_name": "u4", "spec_dtype": "u1", "spec_rank": "u4", "spec_dims": "i8",
        "var_flags": "u1",
        "op_type": "u4", "op_loc": "i4", "op_inputs": "u4", "op_outputs": "u4", "op_attrs": "u4",
        "slot_name": "u4", "slot_size": "u4", "slot_var": "u4",
        "attr_name": "u4", "value_kind": "u1", "value_data": "i8",
        "guard_left": "u4", "guard_relation": "u4", "guard_right": "u4",
        "guard_message": "u4", "guard_loc": "i4",
        "loc_file": "u4", "loc_line": "i8", "loc_text": "u4",
    },
)  # fmt: skip
