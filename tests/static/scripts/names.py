import paddle
import paddle.nn.functional as F
from paddle import static

paddle.enable_static()


def data(*shape, name="x", dtype="float32"):
    return static.data(name, list(shape), dtype)


def show(title, build):
    main, startup = static.Program(), static.Program()
    with paddle.utils.unique_name.guard(), static.program_guard(main, startup):
        found = build()
        print(title)
        for one in found if isinstance(found, list) else [found]:
            print("  ", one)
        variables = main.global_block().vars.values()
        print("  ", sorted(v.name for v in variables if v.persistable))
        print("  ", sorted(v.name for v in variables if v.name.endswith("@GRAD")))
        print("  ", list(startup.global_block().vars))


def slices():
    x = data(4, 6)
    return [x[0], x[:, 1], x[1:3], x[:, ::2], x[..., 0], x[0, 1], x[0][1:3]]


def operators():
    x = data(4, 6)
    y = paddle.transpose(x, [1, 0])
    made = [x + 1, 1 - x, x * x, x / 2, x @ y, -x, x**2, x - x, x / x, x.astype("int32")]
    return [*made, 2 * x]


def functions():
    x, label = data(4, 6), data(4, 1, name="label", dtype="int64")
    return [
        paddle.concat([x, x]), paddle.reshape(x, [-1]), paddle.sum(x), paddle.mean(x), F.relu(x),
        F.softmax(x), F.dropout(x), paddle.cast(x, "int64"), paddle.argmax(x),
        paddle.topk(x, 2)[0], paddle.split(x, 2)[1], paddle.stack([x, x]), paddle.squeeze(x),
        paddle.unsqueeze(x, 0), paddle.matmul(x, x, transpose_y=True), F.cross_entropy(x, label),
        paddle.max(x), paddle.clip(x, 0.0, 1.0), paddle.tanh(x), F.gelu(x), F.log_softmax(x),
        paddle.flatten(x), paddle.tile(x, [2, 1]), paddle.expand(x, [4, 6]), F.sigmoid(x),
        F.square_error_cost(x, x), F.mse_loss(x, x), paddle.maximum(x, x), paddle.add(x, x),
        paddle.add_n([x, x]), paddle.cumsum(x), paddle.scale(x, 2.0), paddle.assign(x),
        paddle.pow(x, 2), F.embedding(label, x), static.accuracy(F.softmax(x), label),
    ]  # fmt: skip


def backward():
    hidden = static.nn.fc(data(None, 4), 3, activation="relu")
    loss = paddle.mean(static.nn.fc(hidden, 1))
    return [one for pair in static.append_backward(loss) for one in pair]


def shared():
    x, attr = data(None, 4), paddle.ParamAttr(name="w")
    first = static.nn.fc(x, 4, weight_attr=attr)
    loss = paddle.mean(static.nn.fc(first, 4, weight_attr=attr))
    return [one for pair in static.append_backward(loss) for one in pair]


def adam():
    loss = paddle.mean(static.nn.fc(data(None, 4), 1))
    clip = paddle.nn.ClipGradByGlobalNorm(1.0)
    paddle.optimizer.Adam(0.1, grad_clip=clip, weight_decay=0.1).minimize(loss)
    return loss


def momentum():
    loss = paddle.mean(static.nn.fc(data(None, 4), 1))
    paddle.optimizer.Momentum(0.1).minimize(loss)
    return loss


def accuracy():
    scores = static.nn.fc(data(None, 4), 3, activation="softmax")
    return static.accuracy(scores, data(None, 1, name="label", dtype="int64"))


nn = static.nn
show("fc", lambda: nn.fc(data(None, 4), 3))
show("fc without bias", lambda: nn.fc(data(None, 4), 3, bias_attr=False, activation="relu"))
show("fc of two axes", lambda: nn.fc(data(None, 4, 5), 3, num_flatten_dims=2))
show("fc with a name", lambda: nn.fc(data(None, 4), 3, name="hidden", activation="tanh"))
show("fc of two", lambda: nn.fc([data(None, 4), data(None, 2, name="y")], 3))
show("conv2d", lambda: nn.conv2d(data(None, 3, 8, 8), 4, 3, act="relu"))
show("conv2d_transpose", lambda: nn.conv2d_transpose(data(None, 3, 8, 8), 4, filter_size=3))
show("conv3d", lambda: nn.conv3d(data(None, 3, 4, 8, 8), 4, 3, act="relu"))
show("conv3d_transpose", lambda: nn.conv3d_transpose(data(1, 3, 4, 4, 4), 4, filter_size=3))
show("batch_norm", lambda: nn.batch_norm(data(None, 3, 8, 8), act="relu"))
show("layer_norm", lambda: nn.layer_norm(data(None, 3, 8)))
show("prelu", lambda: nn.prelu(data(None, 3, 8, 8), "channel"))
show("embedding", lambda: nn.embedding(data(None, 6, dtype="int64"), [10, 4]))
show("bilinear", lambda: nn.bilinear_tensor_product(data(None, 3), data(None, 4, name="y"), 5))
show("row_conv", lambda: nn.row_conv(data(None, 6, 4), 2))
for one in (slices, operators, functions, backward, shared, adam, momentum, accuracy):
    show(one.__name__, one)
