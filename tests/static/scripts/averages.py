import warnings

import numpy as np
import paddle
from paddle import static

warnings.simplefilter("ignore")
paddle.enable_static()


def ramp(*shape):
    return (np.arange(np.prod(shape), dtype="float32").reshape(shape) % 7 - 3) / 4


def first(*shape):
    return paddle.nn.initializer.Assign(ramp(*shape))


def data(*shape, name="x", dtype="float32"):
    return static.data(name, list(shape), dtype)


def rounded(value):
    return (np.asarray(value, "float64").round(4) + 0.0).tolist()


def run(title, build, feed, times=1):
    main, startup = static.Program(), static.Program()
    with (
        paddle.utils.unique_name.guard(),
        static.program_guard(main, startup),
        static.scope_guard(static.Scope()),
    ):
        found = build()
        print(title)
        exe = static.Executor()
        exe.run(startup)
        for _ in range(times):
            for value in exe.run(main, feed=feed, fetch_list=list(found)):
                print("  ", rounded(value))
        scope = static.global_scope()
        for var in main.all_parameters():
            value = np.array(scope.find_var(var.name).get_tensor())
            if "spectral" not in var.name:
                print("  ", var.name, value.shape, rounded(value.ravel()[:6]))


nn = static.nn


def bilinear():
    x, y = data(None, 3), data(None, 4, name="y")
    attrs = {"param_attr": first(2, 3, 4), "bias_attr": first(1, 2)}
    return [nn.bilinear_tensor_product(x, y, 2, **attrs)]


def spectral(dim, *shape):
    w = static.create_parameter(list(shape), "float32", name="w", default_initializer=first(*shape))
    return [nn.spectral_norm(w, dim=dim, power_iters=60)]


def area(**options):
    p, label = data(None, 2, name="p"), data(None, 1, name="l", dtype="int64")
    every, last, states = static.auc(p, label, **options)
    print([(one.name, tuple(one.shape)) for one in states], every.name, last.name)
    return [every, last, *states]


def weight_norm():
    attr = static.WeightNormParamAttr(name="w", initializer=first(3, 2))
    out = nn.fc(data(None, 3), 2, weight_attr=attr, bias_attr=False)
    print([(p.name, g.name) for p, g in static.append_backward(paddle.mean(out * out))])
    return [out]


x, y = ramp(2, 3), ramp(2, 4)
run("bilinear", bilinear, {"x": x, "y": y})
run("row_conv", lambda: [nn.row_conv(data(None, 5, 2), 2, first(3, 2))], {"x": ramp(2, 5, 2)})
run("spectral_norm", lambda: spectral(0, 4, 3), {})
run("spectral_norm by columns", lambda: spectral(1, 4, 3, 2), {})
for size in (3, [1, 2, 3]):
    run("conv3d", lambda size=size: [nn.conv3d(
        data(1, 2, 3, 4, 5), 2, size, padding=1, act="relu",
        param_attr=paddle.nn.initializer.Constant(0.25),
    )], {"x": ramp(1, 2, 3, 4, 5)})  # fmt: skip
run("conv3d_transpose", lambda: [nn.conv3d_transpose(
    data(1, 2, 2, 2, 3), 1, filter_size=2, stride=2, param_attr=first(2, 1, 2, 2, 2)
)], {"x": ramp(1, 2, 2, 2, 3)})  # fmt: skip
norm = {"param_attr": first(2), "bias_attr": first(2)}
run("group_norm", lambda: [nn.group_norm(data(None, 2, 3), 2, **norm)], {"x": ramp(2, 2, 3)})
run("instance_norm", lambda: [nn.instance_norm(data(None, 2, 3, 1), **norm)],
    {"x": ramp(2, 2, 3, 1)})  # fmt: skip
for mode, shape in (("all", (1,)), ("channel", (1, 3, 1, 1)), ("element", (1, 3, 2))):
    options = {"mode": mode, "param_attr": first(*shape)}
    run(mode, lambda own=options: [nn.prelu(data(None, 3, 2), **own)], {"x": ramp(2, 3, 2)})
scores = np.array([0.7, 0.4, 0.8, 0.1, 0.55], "float32")
rows = {
    "p": np.stack([1 - scores, scores], 1),
    "l": np.array([[1], [0], [0], [0], [1]], "int64"),
}
run("auc", lambda: area()[:2], rows, 2)
run("auc of few steps", lambda: area(num_thresholds=7, slide_steps=2), rows, 4)
run("auc without slides", lambda: area(num_thresholds=7, slide_steps=0), rows, 2)
run("weight norm", weight_norm, {"x": x})

main, startup = static.Program(), static.Program()
with static.program_guard(main, startup):
    attr = paddle.ParamAttr(name="averaged", initializer=first(3, 1))
    out = nn.fc(data(None, 3), 1, weight_attr=attr, bias_attr=False)
    loss = paddle.mean(out * out)
    paddle.optimizer.SGD(0.5).minimize(loss)
    average = static.ExponentialMovingAverage(0.9)
    average.update()
exe = static.Executor()
exe.run(startup)


def weights():
    return rounded(np.array(static.global_scope().find_var("averaged").get_tensor()).ravel())


for _ in range(3):
    exe.run(main, feed={"x": x}, fetch_list=[loss])
    print(weights())
with average.apply(exe):
    print("applied", weights())
print("restored", weights())
with average.apply(exe, need_restore=False):
    pass
print("kept", weights())
average.restore(exe)
print("restored", weights())
print(sorted(v.name for v in main.list_vars() if v.persistable and "rate_0" not in v.name))
