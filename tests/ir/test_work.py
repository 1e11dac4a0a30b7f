"""What an op's work is taken to be: operations and bytes, also of sizes that are not known yet."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from wherry.codegen import kernels
from wherry.codegen.kernels.registry import LOWERINGS
from wherry.ir.dims import Dim, symbol
from wherry.ir.emit import BlockEmitter
from wherry.ir.passes import prepare_for_codegen
from wherry.ir.program import Program, Variable
from wherry.ir.work import FLOPS, Work, work_of
from wherry.schema.dtypes import float32, int64

# Kernels that compute nothing: the thread pool and `inspect` take them for their bytes alone.
MOVES = {
    "assign_value", "concat", "expand_v2", "fill_constant", "flip", "from_blocked", "gather_nd",
    "index_select", "interleave_planes", "lookup_table_v2", "max_pool2d_gather", "pack_filter",
    "pad", "pad_planes", "put_along_axis", "range", "set_value", "slice", "strided_slice",
    "take_along_axis", "to_blocked", "transpose2",
}  # fmt: skip

B = symbol("B")


def emitter(*shapes: tuple[Dim, ...]) -> tuple[Program, BlockEmitter, list[Variable]]:
    program = Program()
    block = program.global_block
    args = [block.add_arg(f"x{i}", shape, float32) for i, shape in enumerate(shapes)]
    return program, BlockEmitter(block), args


def last_work(program: Program) -> Work:
    return work_of(program.global_block.ops[-1])


@pytest.mark.parametrize("trans_x", [False, True])
def test_a_product_is_two_operations_a_term(trans_x: bool) -> None:
    program, F, (x, y) = emitter((5, 3) if trans_x else (3, 5), (5, 4))
    F.matmul_v2(x, y, trans_x=trans_x)
    assert last_work(program) == Work(2 * 3 * 5 * 4, 4 * (15 + 20 + 12))


def test_a_product_of_vectors() -> None:
    program, F, (x, y) = emitter((5,), (5,))
    F.matmul_v2(x, y, trans_x=True)
    assert last_work(program) == Work(10, 4 * 11)


def test_a_symbolic_batch_stays_a_symbol() -> None:
    program, F, (x, y) = emitter((B, 5), (5, 4))
    F.matmul_v2(x, y)
    assert last_work(program) == Work(B * 40, 4 * (B * 9 + 20))


def test_convolutions_and_their_gradients_do_the_same_work() -> None:
    program, F, (x, k) = emitter((2, 4, 8, 8), (6, 2, 3, 3))
    y = F.conv2d(x, k, paddings=[1, 1], groups=2)
    forward = last_work(program)
    assert forward == Work(2 * (2 * 6 * 8 * 8) * (2 * 3 * 3), 4 * (512 + 108 + 768))
    F.conv2d_input_grad(k, y, paddings=[1, 1], groups=2, input_size=[8, 8])
    assert last_work(program) == forward
    F.conv2d_filter_grad(x, y, paddings=[1, 1], groups=2, filter_size=[3, 3])
    assert last_work(program).flops == forward.flops
    program, F, (x, g) = emitter((2, 2, 10, 10, 16), (2, 3, 8, 8, 16))
    F.filter_grad_blocked(x, g, filter_size=[3, 3])
    assert last_work(program).flops == 2 * (2 * 48 * 8 * 8) * (32 * 3 * 3)


def test_a_pool_looks_at_each_cell_of_its_windows() -> None:
    program, F, (x,) = emitter((1, 2, 8, 8))
    F.max_pool2d_with_index(x, ksize=[3, 3], strides=[2, 2], paddings=[1, 1])
    assert last_work(program).flops == 2 * 16 * 9
    F.avg_pool2d(x, ksize=[1, 1], adaptive=True)
    assert last_work(program).flops == 2 * 64


def test_a_fusion_moves_what_enters_and_leaves_it_only() -> None:
    program, F, (x, y) = emitter((64, 32), (32,))
    program.global_block.results.append(F.reduce_sum(F.square(F.elementwise_add(x, y)), dim=[1]))
    prepared = prepare_for_codegen(program, inference=True)
    (op,) = prepared.global_block.ops
    assert op.type == "fusion"
    assert work_of(op) == Work(3 * 64 * 32, 4 * (64 * 32 + 32 + 64))


def test_a_lookup_reads_no_more_than_it_gives() -> None:
    program, F, (table,) = emitter((30000, 16))
    ids = program.global_block.add_arg("ids", (7,), int64)
    F.lookup_table_v2(table, ids)
    assert last_work(program) == Work(0, 2 * 4 * 7 * 16 + 8 * 7)


def test_one_operand_twice_is_read_once() -> None:
    program, F, (x,) = emitter((10,))
    F.elementwise_mul(x, x)
    assert last_work(program) == Work(10, 80)


def test_every_kernel_counts_its_operations_or_only_moves_elements() -> None:
    for module in pkgutil.iter_modules(kernels.__path__):
        importlib.import_module(f"{kernels.__name__}.{module.name}")
    assert set(LOWERINGS) - FLOPS.keys() - {"map"} == MOVES
