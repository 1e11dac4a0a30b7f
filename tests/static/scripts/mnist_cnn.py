import numpy as np
import paddle
import paddle.nn.functional as F
import paddle.static as static

paddle.enable_static()
paddle.seed(7)


def attr(name, shape, fan):
    value = np.random.RandomState(len(name) + shape[0]).uniform(-1, 1, shape) / np.sqrt(fan)
    return paddle.ParamAttr(
        name=name, initializer=paddle.nn.initializer.Assign(value.astype("float32"))
    )


def convolutional_neural_network(img):
    conv = static.nn.conv2d(
        input=img,
        filter_size=5,
        num_filters=6,
        act="relu",
        bias_attr=False,
        param_attr=attr("c1w", [6, 1, 5, 5], 25),
    )
    pool = F.max_pool2d(conv, kernel_size=2, stride=2)
    norm = static.nn.batch_norm(pool)
    conv = static.nn.conv2d(
        input=norm,
        filter_size=3,
        num_filters=8,
        padding=1,
        act="relu",
        bias_attr=False,
        param_attr=attr("c2w", [8, 6, 3, 3], 54),
    )
    pool = F.avg_pool2d(conv, kernel_size=2, stride=2)
    norm = static.nn.batch_norm(pool, act="relu", momentum=0.8)
    return static.nn.fc(
        norm, size=10, activation="softmax", weight_attr=attr("fcw", [8 * 3 * 3, 10], 72)
    )


img = static.data("img", [None, 1, 16, 16], "float32")
label = static.data("label", [None, 1], "int64")
prediction = convolutional_neural_network(img)
loss = paddle.mean(F.cross_entropy(prediction, label, use_softmax=False))
acc = static.accuracy(input=prediction, label=label)
test_program = static.default_main_program().clone(for_test=True)
optimizer = paddle.optimizer.Adam(learning_rate=0.01, weight_decay=1e-4)
optimizer.minimize(loss)

exe = static.Executor(paddle.CPUPlace())
exe.run(static.default_startup_program())

rng = np.random.RandomState(1)
prototypes = rng.rand(10, 1, 16, 16).astype("float32")
labels = rng.randint(0, 10, (64, 1)).astype("int64")
images = prototypes[labels[:, 0]] + 0.1 * rng.randn(64, 1, 16, 16).astype("float32")

for step in range(6):
    feed = {"img": images[step % 2 :: 2], "label": labels[step % 2 :: 2]}
    value, share = exe.run(feed=feed, fetch_list=[loss, acc])
    print("step", step, f"loss {value:.3f}", "acc", np.asarray(share).round(4).tolist())
value, share = exe.run(test_program, feed={"img": images, "label": labels}, fetch_list=[loss, acc])
print(f"test loss {value:.3f}", f"acc {share:.4f}")
names = sorted(v.name for v in static.default_main_program().list_vars() if v.persistable)
print([n for n in names if "acc" not in n and "moment" not in n])
print([n for n in names if n.startswith("fcw")])
print([p.name for p in static.default_main_program().all_parameters()])
mean = np.array(static.global_scope().find_var("batch_norm_0.w_1").get_tensor())
print(mean.round(3).tolist())
