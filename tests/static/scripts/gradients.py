import numpy as np
import paddle
import paddle.static as static

paddle.enable_static()
x = static.data(name="x", shape=[None, 2, 8, 8], dtype="float32")
x.stop_gradient = False
y = static.nn.conv2d(
    x,
    4,
    1,
    bias_attr=False,
    param_attr=paddle.ParamAttr(initializer=paddle.nn.initializer.Constant(0.5)),
)
y = paddle.nn.functional.relu(y)
z = static.gradients([y], x)
print(z)
y2 = paddle.sum(y * y)
w = static.default_main_program().global_block().var("conv2d_0.w_0")
gx, gw = static.gradients(y2, [x, w])
print(w)
print(gx.shape, gw.shape)

exe = static.Executor()
exe.run(static.default_startup_program())
value = np.linspace(-1, 1, 2 * 2 * 64).reshape(2, 2, 8, 8).astype("float32")
a, b, c = exe.run(feed={"x": value}, fetch_list=[z[0], gx, gw])
print(a.shape, a.sum().round(3), b.shape, b.sum().round(2), c.shape, c.round(2).ravel().tolist())

main = static.Program()
with static.program_guard(main):
    v = static.data("v", [3], "float32")
    p = static.create_parameter(
        [3], "float32", name="p", default_initializer=paddle.nn.initializer.Constant(2.0)
    )
    out = paddle.sum(v * p * p)
    pairs = static.append_backward(out)
    print([(a.name, b.name) for a, b in pairs])
    exe.run(static.default_startup_program())
    found = exe.run(main, feed={"v": np.array([1, 2, 3], "float32")}, fetch_list=[out, pairs[0][1]])
    print([one.tolist() for one in found])
