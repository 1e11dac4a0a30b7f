"""Scripts for several processes run as the only one; aliases of old names."""

import numpy as np
import pytest

import wherry as paddle
import wherry.distributed as dist
from wherry.utils.download import get_path_from_url, get_weights_path_from_url


def test_a_script_for_several_processes_trains_in_one():
    losses = []

    def train(rate):
        dist.init_parallel_env()
        net = paddle.DataParallel(paddle.nn.Linear(2, 1))
        rule = paddle.optimizer.SGD(rate, parameters=net.parameters())
        sampler = paddle.io.DistributedBatchSampler(list(range(4)), 2)
        for batch in sampler:
            x = paddle.to_tensor(np.float32(batch)).reshape([2, 1]).expand([2, 2])
            with net.no_sync():
                loss = net.scale_loss(net(x).mean())
            loss.backward()
            net.apply_collective_grads()
            dist.all_reduce(loss)
            rule.step()
            rule.clear_grad()
            losses.append(float(loss))
        gathered = []
        dist.all_gather(gathered, loss)
        dist.barrier()
        assert len(gathered) == dist.get_world_size() == 1 and dist.get_rank() == 0

    dist.spawn(train, args=(0.1,), nprocs=1)
    assert len(losses) == 2 and dist.is_initialized()
    dist.destroy_process_group()
    assert not dist.is_initialized()


def test_more_processes_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="spawn needs nprocs 1, got 4"):
        dist.spawn(print, nprocs=4)
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "2")
    with pytest.raises(RuntimeError, match="PADDLE_TRAINERS_NUM is 2; run the script itself"):
        dist.init_parallel_env()


def test_the_state_of_a_parallel_net_is_the_nets():
    net = paddle.nn.Linear(2, 3)
    wrapped = paddle.DataParallel(net)
    assert sorted(wrapped.state_dict()) == ["bias", "weight"]
    wrapped.set_state_dict({"weight": np.ones((2, 3), "float32"), "bias": np.zeros(3, "float32")})
    assert net.weight.tolist() == [[1.0] * 3] * 2


@pytest.mark.parametrize("last, wanted", [(False, [[0, 1], [2, 3], [4]]), (True, [[0, 1], [2, 3]])])
def test_batch_makes_lists_of_samples(last, wanted):
    reader = paddle.batch(lambda: iter(range(5)), 2, drop_last=last)
    assert list(reader()) == wanted == list(reader())


def test_old_names_are_there():
    assert paddle.framework.to_variable(np.ones(2, "float32")).shape == [2]
    assert paddle.tensor.add(paddle.ones([1]), 1.0).item() == 2.0
    assert paddle.tensor.fill_constant([2], "int64", 3).tolist() == [3, 3]
    array = paddle.tensor.create_array("float32", [paddle.zeros([1])])
    array = paddle.tensor.array_write(paddle.ones([1]), paddle.to_tensor(1), array)
    assert paddle.tensor.array_length(array) == 2
    assert paddle.tensor.array_read(array, 1).item() == 1.0
    with pytest.raises(ValueError, match="should not be greater than the length 2"):
        paddle.tensor.array_write(paddle.ones([1]), 5, array)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = paddle.tensor.nothing


def test_arrays_at_constant_positions_in_a_static_function():
    @paddle.jit.to_static
    def f(x):
        array = paddle.tensor.array_write(x, paddle.zeros([1], "int64"))
        array = paddle.tensor.array_write(x * 2, paddle.full([1], 1, "int64"), array)
        return paddle.tensor.array_read(array, 1) + paddle.tensor.array_length(array)

    assert f(paddle.ones([2])).tolist() == [4.0, 4.0]


def test_nothing_is_downloaded(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("x")
    assert get_path_from_url("http://host/x/a.txt", str(tmp_path)) == str(tmp_path / "a.txt")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"fetch http://host/w\.pdparams and put it there"):
        get_weights_path_from_url("http://host/w.pdparams")


def test_the_check_runs(capsys):
    paddle.utils.run_check()
    assert "installed successfully" in capsys.readouterr().out
