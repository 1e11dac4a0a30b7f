import numpy as np
import paddle
import paddle.nn.functional as F
import paddle.static as static

paddle.enable_static()


def net(x):
    hidden = static.nn.fc(
        x,
        20,
        activation="relu",
        weight_attr=paddle.ParamAttr(initializer=paddle.nn.initializer.Constant(0.02)),
    )
    hidden = F.dropout(hidden, p=0.5)
    return static.nn.fc(
        hidden, 3, weight_attr=paddle.ParamAttr(initializer=paddle.nn.initializer.Constant(0.1))
    )


train_program, startup = static.Program(), static.Program()
with static.program_guard(train_program, startup), paddle.utils.unique_name.guard():
    img = static.data("image", [None, 8], "float32")
    out = net(img)
    loss = paddle.mean(out)
    test_program = train_program.clone(for_test=True)
    paddle.optimizer.SGD(learning_rate=1e-2).minimize(loss)

same_program, same_startup = static.Program(), static.Program()
with static.program_guard(same_program, same_startup), paddle.utils.unique_name.guard():
    img2 = static.data("image", [None, 8], "float32")
    out2 = net(img2)

print(sorted(v.name for v in test_program.list_vars() if v.persistable))
print([p.name for p in same_program.all_parameters()])
print([op.attr("is_test") for op in test_program.global_block().ops if op.type == "dropout"])
print([op.attr("is_test") for op in train_program.global_block().ops if op.type == "dropout"])

exe = static.Executor(paddle.CPUPlace())
feed = {"image": np.ones((2, 8), "float32")}
for value in (0.0, 1.0):
    scope = static.Scope()
    with static.scope_guard(scope):
        exe.run(startup)
        scope.find_var("fc_1.b_0").get_tensor().set(np.full(3, value, "float32"), paddle.CPUPlace())
        (found,) = exe.run(test_program, feed=feed, fetch_list=[out])
        print(found.round(4).tolist())
        exe.run(train_program, feed=feed, fetch_list=[loss])
        (bias,) = exe.run(test_program, feed=feed, fetch_list=["fc_1.b_0"])
        print(bias.round(4).tolist())
print(static.global_scope().find_var("fc_1.b_0"))
compiled = static.CompiledProgram(test_program, build_strategy=static.BuildStrategy())
exe.run(startup)
print(exe.run(compiled, feed=feed, fetch_list=[out.name])[0].round(4).tolist())

block = train_program.global_block()
print(train_program.num_blocks, len(train_program.blocks), block.idx)
print(block.has_var("fc_0.w_0"), block.has_var("nothing"))
w = block.var("fc_0.w_0")
print(w.name, w.shape, w.dtype, w.persistable, w.stop_gradient, w.trainable)
op = block.ops[0]
print(
    op.type, op.input("X"), op.input("Y"), op.output("Out"), op.input_arg_names, op.output_arg_names
)
print(op.attr("x_num_col_dims"), op.has_attr("nope"))
try:
    block.var("nothing")
except ValueError as error:
    print(type(error).__name__, str(error))
print(train_program.random_seed)
