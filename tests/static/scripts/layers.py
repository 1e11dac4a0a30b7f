import numpy as np
import paddle
import paddle.nn as nn
import paddle.nn.functional as F
import paddle.static as static

paddle.enable_static()


def constant(v):
    return paddle.ParamAttr(initializer=nn.initializer.Constant(v))


class Net(nn.Layer):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2D(1, 4, 3, padding=1, weight_attr=constant(0.1), bias_attr=False)
        self.bn = nn.BatchNorm2D(4)
        self.linear = nn.Linear(4 * 4 * 4, 8, weight_attr=constant(0.01))
        self.norm = nn.LayerNorm(8)
        self.lstm = nn.LSTM(
            8,
            5,
            weight_ih_attr=constant(0.1),
            weight_hh_attr=constant(0.2),
            bias_ih_attr=constant(0.0),
            bias_hh_attr=constant(0.1),
        )
        self.head = nn.Linear(5, 2, weight_attr=constant(0.3))

    def forward(self, x):
        x = F.relu(self.bn(self.conv(x)))
        x = F.max_pool2d(x, 2)
        x = self.linear(paddle.flatten(x, 1))
        x = x + paddle.arange(8, dtype="float32")
        x = self.norm(x).unsqueeze(1)
        y, (_h, _c) = self.lstm(x)
        return self.head(y[:, -1])


main, startup = static.Program(), static.Program()
with static.program_guard(main, startup):
    x = static.data("x", [None, 1, 8, 8], "float32")
    net = Net()
    out = net(x)
    loss = paddle.mean(F.mse_loss(out, paddle.ones_like(out)))
    opt = paddle.optimizer.Momentum(learning_rate=0.05, momentum=0.8, parameters=net.parameters())
    opt.minimize(loss)
print([p.name for p in net.parameters()])
print(type(net.linear.weight).__name__, net.linear.weight.shape)
own = {p.name for p in net.parameters()}
print(own <= {p.name for p in main.all_parameters()})
exe = static.Executor()
exe.run(startup)
rng = np.random.RandomState(0)
data = rng.rand(6, 1, 8, 8).astype("float32")
for _step in range(4):
    (value,) = exe.run(main, feed={"x": data}, fetch_list=[loss])
    print(f"{value:.4f}")
scope = static.global_scope()
print(np.array(scope.find_var(net.bn._mean.name).get_tensor()).round(3).tolist())
print(np.array(scope.find_var(net.head.bias.name).get_tensor()).round(3).tolist())
print(sorted(net.state_dict())[:3])
