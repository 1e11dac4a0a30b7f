import numpy as np
import paddle
import paddle.static as static

paddle.enable_static()
DICT, EMB, HID, CLASSES, LEN = 30, 8, 16, 2, 6

main, startup = static.Program(), static.Program()
with static.program_guard(main, startup):
    words = static.data("words", [None, LEN], "int64")
    label = static.data("label", [None, 1], "int64")
    table = np.random.RandomState(3).uniform(-0.5, 0.5, (DICT, EMB)).astype("float32")
    emb = static.nn.embedding(
        words,
        size=[DICT, EMB],
        padding_idx=0,
        param_attr=paddle.ParamAttr(name="emb_w", initializer=paddle.nn.initializer.Assign(table)),
    )
    pooled = paddle.mean(emb, axis=1)
    hidden = static.nn.fc(
        pooled,
        HID,
        activation="tanh",
        weight_attr=paddle.ParamAttr(initializer=paddle.nn.initializer.Constant(0.05)),
        bias_attr=paddle.ParamAttr(
            initializer=paddle.nn.initializer.Assign(np.linspace(-1, 1, HID).astype("float32"))
        ),
    )
    logits = static.nn.fc(
        hidden,
        CLASSES,
        weight_attr=paddle.ParamAttr(
            initializer=paddle.nn.initializer.Assign(
                np.random.RandomState(4).uniform(-0.3, 0.3, (HID, CLASSES)).astype("float32")
            )
        ),
    )
    cost = paddle.nn.functional.softmax_with_cross_entropy(logits, label)
    loss = paddle.mean(cost)
    scheduler = paddle.optimizer.lr.PiecewiseDecay([4, 8], [0.05, 0.02, 0.01])
    clip = paddle.nn.ClipGradByGlobalNorm(0.5)
    optimizer = paddle.optimizer.Momentum(
        scheduler, momentum=0.9, weight_decay=paddle.regularizer.L2Decay(1e-3), grad_clip=clip
    )
    optimizer.minimize(loss)

exe = static.Executor(paddle.CPUPlace())
exe.run(startup)
rng = np.random.RandomState(0)
data = rng.randint(0, DICT, (40, LEN)).astype("int64")
target = (data.sum(1) > data.sum(1).mean()).astype("int64")[:, None]
for step in range(12):
    (value,) = exe.run(main, feed={"words": data, "label": target}, fetch_list=[loss])
    if step % 3 == 0:
        print("step", step, "lr", optimizer.get_lr(), f"loss {value:.4f}")
    scheduler.step()
state = main.state_dict("param")
print(sorted(state))
print(np.abs(np.array(state["emb_w"])[0] - table[0]).max() < 0.1)
