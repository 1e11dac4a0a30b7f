"""Arrays of Variables, at positions that the Program's constants say."""

import numpy as np
import paddle
from paddle import static

paddle.enable_static()
x = static.data("x", [3], "float32")
i = paddle.zeros([1], "int64")
array = paddle.tensor.array_write(x, i)
i = paddle.increment(i)
array = paddle.tensor.array_write(x * 2, i, array)
paddle.tensor.array_write(x + 5, i - 1, array)
length = paddle.tensor.array_length(array)
first = paddle.tensor.array_read(array, paddle.full([1], 0, "int64"))
last = paddle.tensor.array_read(array, i)
exe = static.Executor(paddle.CPUPlace())
for one in exe.run(feed={"x": np.array([1, 2, 3], "float32")}, fetch_list=[length, first, last]):
    print(one.tolist())
