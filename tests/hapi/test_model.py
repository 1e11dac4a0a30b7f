"""paddle.Model trains, judges, predicts, prints and saves as Paddle 2.6.2 does.

The numbers and lines in this file are what Paddle gives for the same net and data; times, which
differ from run to run, are replaced by T.
"""

import re

import numpy as np
import pytest

import wherry as paddle
from wherry.static import InputSpec

HEAD = (
    "The loss value printed in the log is the current step, and the metric is the average value "
    "of previous steps.\n"
)


class Data(paddle.io.Dataset):
    def __init__(self, count=10):
        self.x = np.random.RandomState(0).rand(count, 4).astype("float32")
        self.y = (self.x.sum(1) > 2).astype("int64").reshape(-1, 1)

    def __getitem__(self, i):
        return self.x[i], self.y[i]

    def __len__(self):
        return len(self.x)


class Inputs(Data):
    def __getitem__(self, i):
        return (self.x[i],)


def net():
    layers = paddle.nn.Sequential(paddle.nn.Linear(4, 3), paddle.nn.Tanh(), paddle.nn.Linear(3, 2))
    for i, p in enumerate(layers.parameters()):
        p.set_value(np.sin(np.arange(p.size) + i).reshape(p.shape).astype("float32"))
    return layers


def model(rule=paddle.optimizer.SGD, rate=0.1, metrics=None, **options):
    made = paddle.Model(net(), **options)
    metrics = paddle.metric.Accuracy() if metrics is None else metrics
    rule = rule(rate, parameters=made.parameters())
    made.prepare(rule, paddle.nn.CrossEntropyLoss(), metrics)
    return made


def printed(capsys):
    text = capsys.readouterr().out
    return re.sub(r"\d+(ms|us|s)/step", "T", text)


def test_fit_prints_and_computes_what_paddle_does(capsys):
    model().fit(Data(), batch_size=4, epochs=2, shuffle=False, verbose=2, log_freq=1)
    assert printed(capsys) == HEAD + (
        "Epoch 1/2\n"
        "step 1/3 - loss: 1.3654 - acc: 0.2500 - T\n"
        "step 2/3 - loss: 0.9773 - acc: 0.3750 - T\n"
        "step 3/3 - loss: 0.6570 - acc: 0.4000 - T\n"
        "Epoch 2/2\n"
        "step 1/3 - loss: 1.0016 - acc: 0.2500 - T\n"
        "step 2/3 - loss: 0.7822 - acc: 0.3750 - T\n"
        "step 3/3 - loss: 0.5212 - acc: 0.4000 - T\n"
    )


def test_fit_judges_after_each_epoch(capsys):
    model().fit(Data(), Data(6), batch_size=4, epochs=2, shuffle=False, verbose=1)
    bar = "=" * 30
    assert printed(capsys).split("Epoch 1/2\n")[1] == (
        f"\rstep 3/3 [{bar}] - loss: 0.6570 - acc: 0.4000 - T\n"
        f"Eval begin...\n\rstep 2/2 [{bar}] - loss: 1.5159 - acc: 0.1667 - T\nEval samples: 6\n"
        f"Epoch 2/2\n\rstep 3/3 [{bar}] - loss: 0.5212 - acc: 0.4000 - T\n"
        f"Eval begin...\n\rstep 2/2 [{bar}] - loss: 1.1520 - acc: 0.3333 - T\nEval samples: 6\n"
    )


def test_evaluate_and_predict_give_what_paddle_gives(capsys):
    trained = model()
    trained.fit(Data(), batch_size=4, shuffle=False, verbose=0)
    assert capsys.readouterr().out == ""
    found = trained.evaluate(Data(), batch_size=4, verbose=0)
    assert found["loss"] == [pytest.approx(0.6054024, rel=1e-5)] and found["acc"] == 0.4
    (columns,) = trained.predict(Inputs(), batch_size=4, verbose=0)
    assert [len(one) for one in columns] == [4, 4, 2]
    np.testing.assert_allclose(columns[2], [[0.3882903, -1.1315258], [-0.2741728, -0.8359509]],
                               rtol=1e-5)  # fmt: skip
    (stacked,) = trained.predict(Inputs(), batch_size=4, verbose=0, stack_outputs=True)
    assert np.array_equal(stacked, np.concatenate(columns))


def test_batches_one_by_one():
    data, made = Data(), model(paddle.optimizer.Adam, metrics=[
        paddle.metric.Accuracy((1, 2)), paddle.metric.Accuracy(name="b")])  # fmt: skip
    (loss,), metrics = made.train_batch([data.x[:3]], [data.y[:3]])
    assert loss == pytest.approx(1.7707796, rel=1e-5) and metrics == [[0.0, 1.0], 0.0]
    before = made.network[0].weight.numpy()
    made.eval_batch([data.x[:3]], [data.y[:3]])
    (out,) = made.predict_batch([data.x[:3]])
    assert out.shape == (3, 2) and np.array_equal(made.network[0].weight.numpy(), before)


def test_steps_wait_for_gradients_that_add_up():
    summed, whole = model(), model()
    summed.fit(Data(8), batch_size=4, shuffle=False, verbose=0, accumulate_grad_batches=2)
    data = Data(8)
    for half in (slice(0, 4), slice(4, 8)):
        loss = whole._loss(whole.network(paddle.to_tensor(data.x[half])),
                           paddle.to_tensor(data.y[half]))  # fmt: skip
        loss.backward()
    whole._optimizer.step()
    for got, want in zip(summed.parameters(), whole.parameters(), strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-5)


def test_num_iters_limits_the_batches(capsys):
    model().fit(Data(), batch_size=4, epochs=5, shuffle=False, num_iters=4, verbose=2, log_freq=1)
    assert printed(capsys).count("step") == 2 + 4  # two of them in the head


class Noted(paddle.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.events = []

    def __getattribute__(self, name):
        if not name.startswith("on_"):
            return object.__getattribute__(self, name)
        return lambda *arguments: self.events.append((name[3:], *arguments))


def test_callbacks_are_called_in_paddles_order():
    noted, made = Noted(), model()
    made.fit(Data(4), Data(4), batch_size=4, epochs=2, verbose=0, callbacks=[noted])
    epoch = [
        "epoch_begin", "train_batch_begin", "train_batch_end", "epoch_end", "eval_begin",
        "eval_batch_begin", "eval_batch_end", "eval_end",
    ]  # fmt: skip
    assert [e[0] for e in noted.events] == ["train_begin", *epoch, *epoch, "train_end"]
    ends = [e for e in noted.events if e[0] == "train_batch_end"]
    assert sorted(ends[0][2]) == ["acc", "batch_size", "loss", "step"]
    assert noted.params["epochs"] == 2 and noted.model is made


def test_early_stopping_keeps_the_best(tmp_path, capsys):
    rule = paddle.callbacks.EarlyStopping("loss", patience=1, min_delta=10)
    model().fit(Data(4), Data(4), batch_size=4, epochs=9, verbose=0, callbacks=[rule],
                save_dir=str(tmp_path))  # fmt: skip
    assert "Epoch 2: Early stopping." in capsys.readouterr().out
    assert (tmp_path / "best_model.pdparams").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "0.pdparams", "1.pdparams", "best_model.pdparams", "final.pdparams"
    ]  # fmt: skip


def test_the_learning_rate_follows_its_scheduler():
    made = paddle.Model(net())
    rate = paddle.optimizer.lr.StepDecay(0.1, 1, 0.5)
    made.prepare(paddle.optimizer.SGD(rate, parameters=made.parameters()),
                 paddle.nn.CrossEntropyLoss())  # fmt: skip
    made.fit(Data(4), batch_size=2, epochs=2, verbose=0)
    assert rate.last_lr == 0.00625
    by_epoch = paddle.callbacks.LRScheduler(by_step=False, by_epoch=True)
    made.fit(Data(4), batch_size=2, epochs=2, verbose=0, callbacks=[by_epoch])
    assert rate.last_lr == 0.0015625


def test_a_plateau_lowers_the_learning_rate(capsys):
    rule = paddle.callbacks.ReduceLROnPlateau(patience=1, min_delta=10, factor=0.5, min_lr=0.04)
    made = model()
    made.fit(Data(4), Data(4), batch_size=4, epochs=4, verbose=0, callbacks=rule)
    assert made._optimizer.get_lr() == 0.04
    assert "Epoch 2: ReduceLROnPlateau reducing learning rate to 0.05." in capsys.readouterr().out


def test_what_was_saved_is_read(tmp_path):
    made = []
    for _ in range(2):
        with paddle.utils.unique_name.guard():  # the state is kept by the parameters' names
            made.append(model(paddle.optimizer.Adam))
    trained, other = made
    trained.fit(Data(), batch_size=4, shuffle=False, verbose=0)
    path = str(tmp_path / "a" / "ck")
    trained.save(path)
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["ck.pdopt", "ck.pdparams"]
    other.load(path)
    state = other._optimizer.state_dict()
    assert len(state) == len(trained._optimizer.state_dict())
    for got, want in zip(other.parameters(), trained.parameters(), strict=True):
        assert np.array_equal(got.numpy(), want.numpy())


def test_what_does_not_fit_is_named(tmp_path):
    path = str(tmp_path / "ck")
    model().save(path)
    small = paddle.Model(paddle.nn.Sequential(paddle.nn.Linear(4, 2)))
    with pytest.raises(ValueError, match=r"0.weight receives a shape \[4, 3\].*skip_mismatch"):
        small.load(path)
    with pytest.warns(UserWarning, match=r"Skip loading for 0.(weight|bias)") as warned:
        small.load(path, skip_mismatch=True)
    assert len(warned) == 2


def test_a_model_is_saved_for_inference(tmp_path):
    made = model(inputs=[InputSpec([None, 4], "float32", "x")])
    made.save(str(tmp_path / "net"), training=False)
    loaded = paddle.jit.load(str(tmp_path / "net"))
    (want,) = made.predict_batch([Data().x])
    np.testing.assert_allclose(loaded(paddle.to_tensor(Data().x)).numpy(), want, rtol=1e-6)


@pytest.mark.parametrize("call, message", [
    (lambda: paddle.Model(3), "needs a paddle.nn.Layer, got int"),
    (lambda: paddle.Model(net()).prepare(loss=3), "any callable function"),
    (lambda: paddle.Model(net()).prepare(metrics=3), "int is not sub class of Metric"),
    (lambda: paddle.Model(net()).prepare(amp_configs="O3"), "amp_configs='O3'"),
    (lambda: paddle.Model(net()).train_batch([Data().x], [Data().y]), "call `model.prepare"),
    (lambda: paddle.Model(net()).save("x", training=False), "needs 'inputs'"),
    (lambda: model().fit(3, verbose=0), "needs a Dataset or an iterable"),
])  # fmt: skip
def test_wrong_use_is_named(call, message):
    with pytest.raises((TypeError, ValueError, RuntimeError), match=message):
        call()
