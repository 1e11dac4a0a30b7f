"""paddle.inference.Config: the switches that deployment scripts set, and pools of Predictors."""

import numpy as np
import pytest

import wherry as paddle
from wherry import inference, nn
from wherry.runtime import threads
from wherry.static import InputSpec


@pytest.fixture
def prefix(tmp_path):
    path = str(tmp_path / "net")
    paddle.jit.save(nn.Linear(4, 2), path, input_spec=[InputSpec([None, 4], name="x")])
    return path


def test_a_script_for_paddle_sets_its_switches(prefix, monkeypatch):
    monkeypatch.setattr(threads.process, "count", 2)
    config = inference.Config()
    config.set_prog_file(f"{prefix}.pdmodel")
    config.set_params_file(f"{prefix}.pdiparams")
    config.disable_gpu()
    config.enable_mkldnn()
    config.set_mkldnn_cache_capacity(10)
    config.set_cpu_math_library_num_threads(1)
    config.enable_memory_optim()
    config.switch_ir_optim(False)
    config.switch_use_feed_fetch_ops(False)
    config.switch_specify_input_names(True)
    config.disable_glog_info()
    assert not config.ir_optim() and not config.mkldnn_enabled() and not config.use_gpu()
    assert (config.cpu_math_library_num_threads(), threads.num_threads()) == (1, 2)
    predictor = inference.create_predictor(config)
    assert threads.num_threads() == 1
    (result,) = predictor.run([np.ones([3, 4], "float32")])
    assert result.shape == (3, 2)


def test_what_cannot_be_done_is_refused(prefix):
    config = inference.Config(f"{prefix}.pdmodel", f"{prefix}.pdiparams")
    with pytest.raises(ValueError, match="on the CPU only"):
        config.enable_use_gpu(100, 0)
    config.set_cpu_math_library_num_threads(0)
    with pytest.raises(ValueError, match="needs a count from 1 to 1024, got 0"):
        inference.create_predictor(config)


def test_the_predictors_of_a_pool_have_handles_of_their_own(prefix):
    pool = inference.PredictorPool(inference.Config(prefix), 2)
    first, second = pool.retrieve(0), pool.retrieve(1)
    for predictor, rows in ((first, 1), (second, 5)):
        handle = predictor.get_input_handle("x")
        handle.copy_from_cpu(np.ones([rows, 4], "float32"))
        predictor.run()
    name = first.get_output_names()[0]
    shapes = [one.get_output_handle(name).copy_to_cpu().shape for one in (first, second)]
    assert shapes == [(1, 2), (5, 2)]
    with pytest.raises(ValueError, match="at least 1, got 0"):
        inference.PredictorPool(inference.Config(prefix), 0)
