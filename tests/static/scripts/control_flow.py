import numpy as np
import paddle
import paddle.static as static

paddle.enable_static()
exe = static.Executor(paddle.CPUPlace())


# while_loop
def cond(i, ten):
    return i < ten


def body(i, ten):
    i = i + 1
    return [i, ten]


main = static.Program()
with static.program_guard(main, static.Program()):
    i = paddle.full(shape=[1], fill_value=0, dtype="int64")
    ten = paddle.full(shape=[1], fill_value=10, dtype="int64")
    i, ten = static.nn.while_loop(cond, body, [i, ten])
    print(exe.run(main, feed={}, fetch_list=[i])[0].tolist())

# cond
main = static.Program()
with static.program_guard(main, static.Program()):
    x = static.data("x", [1], "float32")
    y = static.data("y", [1], "float32")

    out = static.nn.cond(x < y, lambda: x + y, lambda: x - y)
    for a, b in ((1, 2), (2, 1)):
        feed = {"x": np.array([a], "float32"), "y": np.array([b], "float32")}
        print(exe.run(main, feed=feed, fetch_list=[out])[0].tolist())

# case and switch_case
main = static.Program()
with static.program_guard(main, static.Program()):
    index = static.data("index", [1], "int32")

    def fn_1():
        return paddle.full(shape=[1, 2], dtype="float32", fill_value=1)

    def fn_2():
        return paddle.full(shape=[1, 2], dtype="float32", fill_value=2)

    def fn_3():
        return paddle.full(shape=[1, 2], dtype="float32", fill_value=3)

    a = static.nn.switch_case(branch_index=index, branch_fns={1: fn_1, 2: fn_2}, default=fn_3)
    b = static.nn.switch_case(branch_index=index, branch_fns=[(0, fn_1), (4, fn_2), (7, fn_3)])
    c = static.nn.case(pred_fn_pairs=[(index < 1, fn_1), (index < 3, fn_2)], default=fn_3)
    d = static.nn.case(pred_fn_pairs=[(index < 1, fn_1), (index < 3, fn_2)])
    for value in (0, 1, 2, 4, 7):
        found = exe.run(main, feed={"index": np.array([value], "int32")}, fetch_list=[a, b, c, d])
        print(value, [one.ravel().tolist() for one in found])

# gradients through both
main = static.Program()
with static.program_guard(main, static.Program()):
    x = static.data("x", [2], "float32")
    x.stop_gradient = False
    total = static.nn.cond(paddle.sum(x) > 0, lambda: x * x, lambda: x * 3.0)
    n = paddle.full([1], 3, "int64")
    k = paddle.zeros([1], "int64")

    def more(k, t):
        return k < n

    def double(k, t):
        return [k + 1, t * x]

    k, power = static.nn.while_loop(more, double, [k, total])
    loss = paddle.sum(power)
    grads = static.gradients([loss], [x])
    for value in ([1.0, 2.0], [-1.0, -2.0]):
        print(
            [
                v.tolist()
                for v in exe.run(
                    main, feed={"x": np.array(value, "float32")}, fetch_list=[loss, *grads]
                )
            ]
        )
