"""The order of a block of pointwise ops: what takes many registers comes first."""

from __future__ import annotations

from typing import Any

from row_programs import program_of

from wherry.codegen.order import in_order

ROWS = ((8, 64), "float32")


def order_of(fn: Any, *specs: Any) -> list[str]:
    block = program_of(fn, *specs).global_block
    return [op.type for op in in_order(block.ops, block.results)]


def test_the_operand_that_takes_more_registers_is_computed_first() -> None:
    def product(F: Any, x: Any, y: Any) -> Any:
        gelu = F.gelu(F.scale(x, scale=2.0, bias=1.0))
        return F.elementwise_mul(gelu, F.tanh(y))

    assert order_of(product, ROWS, ROWS) == ["tanh", "scale", "gelu", "elementwise_mul"]


def test_a_sum_of_two_results_takes_one_register_more() -> None:
    def nested(F: Any, x: Any, y: Any) -> Any:
        single = F.exp(x)
        pair = F.elementwise_add(F.exp(y), F.exp(F.abs(y)))
        return F.elementwise_mul(single, pair)

    assert order_of(nested, ROWS, ROWS)[-2:] == ["exp", "elementwise_mul"]


def test_what_two_ops_read_is_computed_once_and_before_both() -> None:
    def shared(F: Any, x: Any) -> list[Any]:
        root = F.sqrt(x)
        both = F.elementwise_add(F.exp(root), F.tanh(root))
        return [root, both]

    assert order_of(shared, ROWS) == ["sqrt", "tanh", "exp", "elementwise_add"]


def test_a_chain_stays_as_it_is_written() -> None:
    assert order_of(lambda F, x, y: F.exp(F.elementwise_add(F.tanh(x), y)), ROWS, ROWS) == [
        "tanh", "elementwise_add", "exp",
    ]  # fmt: skip
