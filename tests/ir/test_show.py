"""The specification's print format: `print(program)`."""

from wherry.ir.show import show_program, show_var
from wherry.ir.text import parse_text

FC = """
program(x: data float32[B, 10], y: data float32[B, 3]) {
  persist trainable fc_0.w_0: grad float32[10, 3]
  persist trainable fc_0.b_0: grad float32[3]
  fc_0.tmp_0: grad float32[B, 3] = mul(X=x, Y=fc_0.w_0)
  fc_0.tmp_1: grad float32[B, 3] = elementwise_add(X=fc_0.tmp_0, Y=fc_0.b_0, axis=1)
  elementwise_add_0: grad float32[B, 3] = elementwise_add(X=fc_0.tmp_1, Y=y)
  yield elementwise_add_0
}
"""

SHOWN = """\
{ // block 0
    var x : LOD_TENSOR.shape(-1, 10).dtype(float32).stop_gradient(True)
    var y : LOD_TENSOR.shape(-1, 3).dtype(float32).stop_gradient(True)
    persist trainable param fc_0.w_0 : LOD_TENSOR.shape(10, 3).dtype(float32).stop_gradient(False)
    persist trainable param fc_0.b_0 : LOD_TENSOR.shape(3,).dtype(float32).stop_gradient(False)
    var fc_0.tmp_0 : LOD_TENSOR.shape(-1, 3).dtype(float32).stop_gradient(False)
    var fc_0.tmp_1 : LOD_TENSOR.shape(-1, 3).dtype(float32).stop_gradient(False)
    var elementwise_add_0 : LOD_TENSOR.shape(-1, 3).dtype(float32).stop_gradient(False)

    {Out=['fc_0.tmp_0']} = mul(inputs={X=['x'], Y=['fc_0.w_0']}, op_device = , op_namescope = /, \
op_role = 0, op_role_var = [], with_quant_attr = False, x_num_col_dims = 1, y_num_col_dims = 1)
    {Out=['fc_0.tmp_1']} = elementwise_add(inputs={X=['fc_0.tmp_0'], Y=['fc_0.b_0']}, axis = 1, \
op_device = , op_namescope = /, op_role = 0, op_role_var = [], with_quant_attr = False)
    {Out=['elementwise_add_0']} = elementwise_add(inputs={X=['fc_0.tmp_1'], Y=['y']}, axis = -1, \
op_device = , op_namescope = /, op_role = 0, op_role_var = [], with_quant_attr = False)
}
"""


def test_the_specifications_example() -> None:
    assert show_program(parse_text(FC)) == SHOWN
    assert str(parse_text(FC)) == SHOWN


def test_a_variables_line() -> None:
    program = parse_text("program(zeros: float32[1, 2]) { yield zeros }")
    assert show_var(program.inputs[0]) == (
        "var zeros : LOD_TENSOR.shape(1, 2).dtype(float32).stop_gradient(True)"
    )


def test_versions_and_assignments_do_not_show() -> None:
    program = parse_text("""
    program(x: float32[2]) {
      persist mean: float32[2]
      x@1: float32[2] = relu(X=x)
      new: float32[2] = elementwise_add(X=x@1, Y=mean)
      assign_persistable(X=new, Target=mean)
      yield x@1
    }""")
    shown = show_program(program)
    assert "@" not in shown and "assign_persistable" not in shown and "new" not in shown
    assert shown.count("var x :") == 1
    assert "{Out=['mean']} = elementwise_add(inputs={X=['x'], Y=['mean']}" in shown


def test_sub_blocks_come_after_their_parent() -> None:
    program = parse_text("""
    program(c: bool[], x: float32[2]) {
      y: float32[2] = cond(Cond=c, X=x, true_block=block(a: float32[2]) {
        b: float32[2] = relu(X=a)
        yield b
      }, false_block=block(d: float32[2]) {
        yield d
      })
      yield y
    }""")
    shown = show_program(program)
    assert [line for line in shown.splitlines() if line.startswith("{")] == [
        "{ // block 0", "{ // block 1", "{ // block 2",
    ]  # fmt: skip
    assert "false_block = block[2]" in shown and "true_block = block[1]" in shown
