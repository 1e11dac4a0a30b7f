import os

import numpy as np
import paddle
import paddle.static as static

paddle.enable_static()
path_prefix = "./infer_model"

startup_prog = static.default_startup_program()
exe = static.Executor(paddle.CPUPlace())
image = static.data(name="img", shape=[None, 28, 28], dtype="float32")
label = static.data(name="label", shape=[None, 1], dtype="int64")
predict = static.nn.fc(image, 10, activation="softmax")
loss = paddle.nn.functional.cross_entropy(predict, label)
avg_loss = paddle.mean(loss)
exe.run(startup_prog)

static.save_inference_model(path_prefix, [image], [predict], exe)
print(all(os.path.exists(path_prefix + end) for end in (".pdmodel", ".pdiparams")))
tensor_img = np.array(np.random.RandomState(0).random((8, 28, 28)), dtype=np.float32)
(want,) = exe.run(
    feed={"img": tensor_img, "label": np.zeros((8, 1), "int64")}, fetch_list=[predict]
)

[inference_program, feed_target_names, fetch_targets] = static.load_inference_model(
    path_prefix, exe
)
results = exe.run(
    inference_program, feed={feed_target_names[0]: tensor_img}, fetch_list=fetch_targets
)
print(feed_target_names, len(results), results[0].shape, np.abs(results[0] - want).max() < 1e-6)

serialized_program = static.serialize_program([image], [predict])
static.save_to_file("serialized.pdmodel", serialized_program)
serialized_params = static.serialize_persistables([image], [predict], executor=exe)
static.save_to_file("serialized.pdiparams", serialized_params)
print(type(serialized_program).__name__, type(serialized_params).__name__)
program = static.deserialize_program(static.load_from_file("serialized.pdmodel"))
static.deserialize_persistables(program, static.load_from_file("serialized.pdiparams"), exe)
print(type(program).__name__)

normalized = static.normalize_program(static.default_main_program(), [image], [predict])
print(
    [op.type for op in normalized.global_block().ops if op.type not in ("feed", "fetch", "scale")]
)

paddle.save(static.default_main_program(), "main.pdmodel")
paddle.save(static.default_main_program().state_dict(), "main.pdparams")
loaded = paddle.load("main.pdmodel")
loaded.set_state_dict(paddle.load("main.pdparams"))
(again,) = exe.run(
    loaded, feed={"img": tensor_img, "label": np.zeros((8, 1), "int64")}, fetch_list=[predict.name]
)
print(np.array_equal(again, want))
config = paddle.inference.Config(path_prefix + ".pdmodel", path_prefix + ".pdiparams")
predictor = paddle.inference.create_predictor(config)
handle = predictor.get_input_handle(predictor.get_input_names()[0])
handle.copy_from_cpu(tensor_img)
predictor.run()
output = predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu()
print(np.abs(output - want).max() < 1e-6)
