import numpy as np
import paddle
import paddle.static as static

paddle.enable_static()

main_program = static.Program()
startup_program = static.Program()
startup_program.random_seed = 90
with static.program_guard(main_program, startup_program):
    x = static.data(name="x", shape=[None, 13], dtype="float32")
    y = static.data(name="y", shape=[None, 1], dtype="float32")
    y_predict = static.nn.fc(
        x=x, size=1, weight_attr=paddle.ParamAttr(initializer=paddle.nn.initializer.Constant(0.1))
    )
    cost = paddle.nn.functional.square_error_cost(input=y_predict, label=y)
    avg_loss = paddle.mean(cost)
    test_program = main_program.clone(for_test=True)
    sgd_optimizer = paddle.optimizer.SGD(learning_rate=0.01)
    ops, params_grads = sgd_optimizer.minimize(avg_loss)

print([(p.name, g.name) for p, g in params_grads])
print([op.type for op in main_program.global_block().ops if op.attr("op_role") in (0, 2, 256)])
print([op.type for op in test_program.global_block().ops])
print([op.attr("op_role") for op in main_program.global_block().ops][:6])
print(len(ops), [op.type for op in ops])

place = paddle.CPUPlace()
exe = static.Executor(place)
exe.run(startup_program)

rng = np.random.RandomState(0)
true_w = rng.uniform(-1, 1, (13, 1)).astype("float32")
data = rng.uniform(-1, 1, (96, 13)).astype("float32")
label = data @ true_w + 0.5

for epoch in range(5):
    for i in range(0, 96, 32):
        feed = {"x": data[i : i + 32], "y": label[i : i + 32]}
        (avg_loss_value,) = exe.run(main_program, feed=feed, fetch_list=[avg_loss])
    (test_loss,) = exe.run(test_program, feed={"x": data, "y": label}, fetch_list=[avg_loss.name])
    print("epoch", epoch, f"train {avg_loss_value:.4f}", f"test {test_loss:.4f}")

w = np.array(static.global_scope().find_var("fc_0.w_0").get_tensor())
print(w.shape, np.round(w.ravel()[:4], 3).tolist())
b = static.global_scope().find_var("fc_0.b_0").get_tensor()
b.set(np.zeros(1, "float32"), place)
print(np.array(b).tolist(), b.shape())
static.save(main_program, "lr_model")
static.load(main_program, "lr_model", exe)
