"""to_static in all its forms: what it returns, caches, shows and switches."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.codegen import compile_count
from wherry.jit import (
    StaticFunction,
    enable_to_static,
    ignore_module,
    not_to_static,
    save,
    set_code_level,
    set_verbosity,
    to_static,
)  # fmt: skip
from wherry.schema.errors import ConversionError, OpError
from wherry.static import InputSpec


class Net(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.linear = paddle.nn.Linear(10, 3)
        self.drop = paddle.nn.Dropout(0.5)

    def forward(self, x: Any) -> Any:
        return self.drop(self.linear(x))


def test_forms() -> None:
    net = Net()
    assert to_static(net) is net and isinstance(net.forward, StaticFunction)

    @to_static
    def plain(x: Any) -> Any:
        return x + 1

    @to_static(input_spec=[InputSpec([None])])
    def with_spec(x: Any) -> Any:
        return x + 1

    class Decorated(paddle.nn.Layer):
        @to_static
        def forward(self, x: Any) -> Any:
            return x + 1

    first, second = Decorated(), Decorated()
    for function in (
        plain,
        with_spec,
        first,
        second,
        to_static(first.forward),
        to_static(Net().linear),
    ):
        x = paddle.ones([2, 10] if isinstance(function, paddle.nn.Linear) else [2])
        function(x)
    assert first.forward is first.forward and first.forward is not second.forward
    assert len(first.forward.program_cache) == 1
    assert plain.__name__ == "plain"


def test_cache_counts_signatures() -> None:
    net = to_static(Net())
    counts = []
    for size in (2, 2, 4):
        net(paddle.rand([size, 10]))
        counts.append(len(net.forward.program_cache))
    assert counts == [1, 1, 2]
    net.eval()
    net(paddle.rand([2, 10]))
    assert len(net.forward.program_cache) == 3
    net(np.zeros([2, 10], np.float32))
    assert len(net.forward.program_cache) == 3, "an array is like a tensor that stops gradients"
    x = paddle.rand([2, 10])
    x.stop_gradient = False
    net(x)
    assert len(net.forward.program_cache) == 4


def test_one_program_for_a_spec() -> None:
    net = to_static(Net(), input_spec=[InputSpec([None, 10], name="x")])
    for size in (1, 2, 3, 4):
        assert net(paddle.rand([size, 10])).shape == [size, 3]
    assert len(net.forward.program_cache) == 1
    with pytest.raises(OpError, match="matmul"):
        net(paddle.rand([2, 9]))


def test_python_runs_once_for_sizes_that_differ() -> None:
    runs = []

    @to_static
    def f(x: Any) -> Any:
        runs.append(x.shape)
        return x * x.shape[0]

    before = compile_count()
    for size in (3, 5, 2):
        assert f(paddle.ones([size])).tolist() == [float(size)] * size
    assert len(runs) == 1 and compile_count() == before + 1


def test_sizes_that_the_code_looks_at() -> None:
    @to_static
    def f(x: Any) -> Any:
        if x.shape[0] > 3:
            return x * 2
        return x if x.shape[0] != 1 else x - 1

    for size in (0, 1, 2, 3, 4, 5):
        x = paddle.ones([size])
        assert f(x).tolist() == f.dynamic(x).tolist()


def test_guards_choose_the_program() -> None:
    @to_static
    def f(x: Any, y: Any) -> Any:
        return x.reshape([-1, 2]) + y

    for size in (4, 6, 2):
        assert f(paddle.ones([size]), paddle.ones([1, 2])).shape == [size // 2, 2]
    with pytest.raises(ValueError, match="reshape"):
        f(paddle.ones([5]), paddle.ones([1, 2]))


def test_windows() -> None:
    @to_static
    def f(x: Any) -> Any:
        if x.sum() > 0:
            x = x + 1
        return x

    with pytest.raises(ValueError, match="No valid transformed program"):
        _ = f.concrete_program
    f(paddle.ones([2]))
    assert "_jst.convert_ifelse(" in f.code
    assert [op.type for op in f.main_program.global_block().ops][-1] == "cond"
    assert [v.name for v in f.inputs] == ["_jst.0.x.0"] and len(f.outputs) == 1
    assert f.concrete_program.main_program is f.main_program
    assert str(f.main_program).startswith("{ // block 0")


def test_rollback() -> None:
    net = to_static(Net())
    net.eval()
    x = paddle.rand([2, 10])
    static = net(x).numpy()
    assert net.forward.rollback() == net.forward
    assert not isinstance(net.forward, StaticFunction)
    assert np.allclose(net(x).numpy(), static, atol=1e-6)

    class Decorated(paddle.nn.Layer):
        @to_static
        def forward(self, x: Any) -> Any:
            return x + 1

    decorated = Decorated()
    decorated.forward.rollback()
    assert not isinstance(decorated.forward, StaticFunction)
    assert decorated(paddle.zeros([1])).tolist() == [1.0]


def test_enable_to_static() -> None:
    net = to_static(Net())
    enable_to_static(False)
    try:
        net(paddle.rand([2, 10]))
        assert len(net.forward.program_cache) == 0
        with pytest.raises(RuntimeError, match="doesn't work when setting"):
            save(net, "unused")
    finally:
        enable_to_static(True)
    with pytest.raises(TypeError, match="bool"):
        enable_to_static(1)  # type: ignore[arg-type]


def test_arguments_beyond_the_spec() -> None:
    net = to_static(lambda x, use_act=False: -x if use_act else x, input_spec=[InputSpec([None])])
    assert net(paddle.ones([2]), use_act=True).tolist() == [-1.0, -1.0]
    assert net(paddle.ones([2])).tolist() == [1.0, 1.0]
    assert len(net.program_cache) == 2


def test_numbers_of_other_kinds_are_other_programs() -> None:
    f = to_static(lambda x, k: x * k)
    x = paddle.to_tensor([2, 3])
    assert f(x, 2).dtype is paddle.int64
    assert f(x, 2.0).dtype is paddle.float32


def test_what_is_called_is_converted() -> None:
    def helper(x: Any) -> Any:
        return x + 1 if x.sum() > 0 else x - 1

    class Inner(paddle.nn.Layer):
        def forward(self, x: Any) -> Any:
            if x.sum() > 0:
                x = x * 3
            return x

    class Callable:
        def __call__(self, x: Any) -> Any:
            if x.sum() > 0:
                return x * 5
            return x

    class Outer(Inner):
        def __init__(self) -> None:
            super().__init__()
            self.inner = paddle.nn.Sequential(Inner(), paddle.nn.ReLU())
            self.__private = 2

        @paddle.no_grad()
        def quiet(self, x: Any) -> Any:
            if x.sum() > 0:
                return x + 7
            return x

        def forward(self, x: Any) -> Any:
            x = super().forward(x) + self.inner(x) * self.__private
            x = self.quiet(x) + functools.partial(helper)(x)
            return Callable()(x)

    dynamic, static = Outer(), to_static(Outer())
    for data in ([1.0, 2.0], [-1.0, -2.0]):
        x = paddle.to_tensor(data)
        assert dynamic(x).tolist() == static(x).tolist()


def test_what_is_left_alone() -> None:
    @not_to_static
    def helper(x: Any) -> Any:
        return x + 1 if isinstance(x, paddle.Tensor) and x.sum() > 0 else x

    with pytest.raises(ConversionError, match="a Python bool"):
        to_static(lambda x: helper(x))(paddle.ones([2]))
    ignore_module([test_what_is_left_alone.__module__])
    from wherry.jit import convert_call

    try:
        with pytest.raises(ConversionError, match="a Python bool"):
            to_static(plain_branch)(paddle.ones([2]))
    finally:
        convert_call._ignored.clear()


def plain_branch(x: Any) -> Any:
    if x.sum() > 0:
        return x
    return -x


def test_logging(capsys: pytest.CaptureFixture[str]) -> None:
    set_verbosity(1)
    set_code_level(100, also_to_stdout=True)
    try:
        to_static(lambda x: x + 1 if x.sum() > 0 else x)(paddle.ones([1]))
    finally:
        set_verbosity(0)
        set_code_level(-1)
    shown = capsys.readouterr()
    assert "to_static converts" in shown.err and "convert_ternary" in shown.out
    with pytest.raises(TypeError):
        set_verbosity("1")  # type: ignore[arg-type]


def test_print_of_a_tensor(capsys: pytest.CaptureFixture[str]) -> None:
    @to_static
    def f(x: Any) -> Any:
        print("sum", x.sum())
        print(x)
        return x

    for value in (1.0, 2.0):
        f(paddle.full([2], value))
    assert capsys.readouterr().out == "sum 2.0\n[1. 1.]\nsum 4.0\n[2. 2.]\n"


def test_many_programs_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    f = to_static(lambda x, k: x + k)
    for k in range(13):
        f(paddle.ones([1]), k + 0.5)
    assert [r.getMessage()[:34] for r in caplog.records] == ["Current traced program number: 11 "]
