"""Branches of other sizes than one another, and the names of what norms give."""

import numpy as np
import paddle
from paddle import static

paddle.enable_static()
x = static.data("x", [None, 4, 6, 6], "float32")
print(static.nn.group_norm(x, 2), static.nn.group_norm(x, 2, act="relu"))
print(static.nn.instance_norm(x), static.nn.instance_norm(x, name="mine"))
print(static.nn.spectral_norm(static.create_parameter([3, 4], "float32")))
print(static.nn.layer_norm(x), static.nn.batch_norm(x))

main = static.Program()
with static.program_guard(main):
    rows = static.data("rows", [None, 2], "float32")
    few, (twice, wide) = static.nn.cond(
        paddle.mean(rows) > 0,
        lambda: [paddle.ones([2, 3]), [rows, rows]],
        lambda: (
            paddle.zeros([4, 3]),
            (paddle.concat([rows, rows]), paddle.concat([rows, rows], axis=1)),
        ),
    )
    print(few.shape, twice.shape, wide.shape)
    index = paddle.cast(paddle.sum(paddle.shape(rows)), "int32")
    chosen = static.nn.switch_case(
        index,
        {3: lambda: rows, 4: lambda: paddle.concat([rows, rows])},
        lambda: paddle.ones([1, 2]),
    )
    print(chosen.shape)
    total = paddle.sum(wide * 2) + paddle.sum(chosen)
exe = static.Executor(paddle.CPUPlace())
for value in ([[1, 2]], [[-1, -2]], [[1, 2], [3, 4]], [[-1, 2], [0, -4], [1, 1]]):
    feed = {"rows": np.array(value, "float32")}
    found = exe.run(main, feed=feed, fetch_list=[few, twice, wide, chosen, total])
    print([one.tolist() for one in found])
