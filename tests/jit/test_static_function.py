"""to_static in all its forms: what it returns, caches, shows, switches and refuses."""

from __future__ import annotations

import copy
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
from wherry.schema.errors import ConversionError, OpError, RunError
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


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="'CINN' or None, but received LLVM"):
        to_static(backend="LLVM")
    with pytest.raises(TypeError, match="Required type\\(build_strategy\\)"):
        to_static(build_strategy=3)
    with pytest.raises(TypeError, match=r"one of \(tuple, list\), but received InputSpec"):
        to_static(input_spec=InputSpec([1]))
    to_static(lambda x: x, full_graph=True, property=False)

    class Plain:
        @to_static
        def method(self, x: Any) -> Any:
            return x

    with pytest.raises(TypeError, match=r"please ensure the class inherits from nn.Layer"):
        Plain().method(paddle.ones([1]))


def test_calls_that_do_not_fit() -> None:
    @to_static
    def f(x: Any, y: Any) -> Any:
        return x + y

    x = paddle.ones([2])
    with pytest.raises(ValueError, match="requires `y` arguments"):
        f(x)
    with pytest.raises(ValueError, match="requires 2 arguments"):
        f(x, x, x)
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        f(x, x, z=1)
    nested = to_static(lambda pair: pair[0], input_spec=[[InputSpec([2]), InputSpec([2])]])
    with pytest.raises(TypeError, match="should be <class 'list'>, but received <class 'tuple'>"):
        nested((x, x))


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


def test_globals_are_read_anew() -> None:
    table = paddle.to_tensor([1.0, 2.0])
    f = to_static(lambda x: x * table)
    assert f(paddle.ones([2])).tolist() == [1.0, 2.0]
    table.set_value(table * 10)
    assert f(paddle.ones([2])).tolist() == [10.0, 20.0]


def test_state_is_written_and_branches_undone() -> None:
    class Counter(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", paddle.zeros([1]))
            self.scale = 1

        def forward(self, x: Any) -> Any:
            if x.sum() > 0:
                self.calls.set_value(self.calls + 1)
                self.note(x)
            else:
                self.calls.set_value(self.calls - 1)
            return x * self.calls

        def note(self, x: Any) -> None:
            self.calls.set_value(self.calls + 10)

    dynamic, static = Counter(), to_static(Counter())
    for sign in (1.0, -1.0, 1.0):
        x = paddle.full([2], sign)
        assert dynamic(x).tolist() == static(x).tolist()
        assert dynamic.calls.tolist() == static.calls.tolist()


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


def test_errors_name_the_users_lines() -> None:
    def inner(x: Any) -> Any:
        return x.reshape([7, 7])

    @to_static
    def outer(x: Any) -> Any:
        if x.sum() > 0:
            x = inner(x)
        return x

    with pytest.raises(ValueError, match="reshape") as caught:
        outer(paddle.ones([3]))
    text = str(caught.value)
    assert text.startswith("In transformed code:")
    assert "return x.reshape([7, 7])" in text and "x = inner(x)" in text
    assert text.count("<--- HERE") == 1 and "frontend" not in text
    assert all("frontend/jit/branch" not in str(entry.path) for entry in caught.traceback)


def test_errors_in_the_data_name_the_users_line() -> None:
    @to_static
    def f(x: Any) -> Any:
        assert x.sum() > 0, "needs a positive sum"
        return x

    f(paddle.ones([2]))
    text = r"(?s)needs a positive sum.*assert x.sum\(\) > 0"
    for kind in (AssertionError, RunError):
        with pytest.raises(kind, match=text):
            f(-paddle.ones([2]))


def test_errors_of_the_users_own_keep_their_type() -> None:
    def bad(x: Any) -> Any:
        return {"a": x}["b"]

    with pytest.raises(KeyError) as caught:
        to_static(bad)(paddle.ones([1]))
    assert any("<--- HERE" in note for note in caught.value.__notes__)


REFUSED = [
    (lambda x: x.numpy().tolist(), "a list of numbers"),
    (lambda x: np.sort(x), "."),
    (lambda x: [v for v in x if v > 0], "a Python bool"),
    (lambda x: "a" if x.sum() > 0 else 1, "'a' in one branch and the int 1 in the other"),
]


@pytest.mark.parametrize(("function", "text"), REFUSED, ids=range(len(REFUSED)))
def test_refused_with_the_users_line(function: Any, text: str) -> None:
    with pytest.raises(Exception, match=text) as caught:
        to_static(function)(paddle.ones([2]))
    assert "test_static_function.py" in str(caught.value)


def test_variables_without_one_meaning_are_refused_when_used() -> None:
    def none_or_tensor(x: Any) -> Any:
        if x.sum() > 0:
            return x

    def first_in_loop(x: Any) -> Any:
        i = 0
        while i < x.sum():
            last = x * i
            i += 1
        return last

    def grows(x: Any) -> Any:
        i, found = 0, []
        while i < x.sum():
            found.append(x)
            i += 1
        return paddle.stack(found)

    def raises(x: Any) -> Any:
        if x.sum() > 0:
            raise ValueError("positive")
        return x

    for function, text in (
        (none_or_tensor, "None in the other"), (first_in_loop, "assign it before the loop"),
        (grows, "a list of 0 before a round"), (raises, "use `assert condition, message`"),
    ):  # fmt: skip
        with pytest.raises(ConversionError, match=text):
            to_static(function)(paddle.ones([2]))


def test_a_tensor_kept_from_a_trace_is_refused() -> None:
    kept: list[Any] = []

    @to_static
    def f(x: Any) -> Any:
        kept.append(x + 1)
        return x

    f(paddle.ones([2]))
    with pytest.raises(ConversionError, match="has no value yet"):
        kept[0].numpy().tolist()
    with pytest.raises(ConversionError):
        _ = kept[0] + paddle.ones([2])


def test_second_order_says_the_way_out() -> None:
    f = to_static(lambda x: (x * x).sum())
    x = paddle.to_tensor([1.0], stop_gradient=False)
    with pytest.raises(RuntimeError, match="create_graph"):
        paddle.grad(f(x), x, create_graph=True)


def test_grad_inside() -> None:
    @to_static
    def f(x: Any) -> Any:
        y = (x * x * x).sum()
        return paddle.grad(y, x, create_graph=True)[0]

    x = paddle.to_tensor([2.0], stop_gradient=False)
    out = f(x)
    assert out.tolist() == [12.0]
    out.backward()
    assert x.grad.tolist() == [12.0]


def test_grad_inside_is_a_constant_without_create_graph() -> None:
    @to_static
    def f(x: Any) -> Any:
        return paddle.grad((x * x).sum(), x)[0]

    x = paddle.to_tensor([2.0], stop_gradient=False)
    out = f(x)
    assert out.tolist() == [4.0] and out.stop_gradient


def test_deepcopy_binds_to_the_copy() -> None:
    net = to_static(Net())
    twin = copy.deepcopy(net)
    twin.linear.weight.set_value(twin.linear.weight * 0)
    twin.eval()
    assert np.allclose(twin(paddle.ones([1, 10])).numpy(), twin.linear.bias.numpy())


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


def test_a_recursion_that_a_tensor_should_end() -> None:
    @to_static
    def f(x: Any) -> Any:
        if x.sum() > 100:
            return x
        return f(x * 2)

    with pytest.raises(ConversionError, match="write a `while` loop") as caught:
        f(paddle.ones([2]))
    assert str(caught.value).count("return f(x * 2)") == 1


def test_arguments_written_in_place() -> None:
    def f(x: Any) -> Any:
        x[0] = 5.0
        return x * 2

    static = to_static(f)
    for _ in range(2):
        a, b = paddle.ones([2]), paddle.ones([2])
        assert f(a).tolist() == static(b).tolist() == [10.0, 2.0]
        assert a.tolist() == b.tolist() == [5.0, 1.0]
    x = paddle.ones([2])
    x.stop_gradient = False
    with pytest.raises(ConversionError, match=r"x.clone\(\)"):
        static(x)


def test_a_failed_attempt_leaves_no_trace() -> None:
    class Counting(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.calls: list[int] = []
            self.number = 0

        def forward(self, x: Any) -> Any:
            self.number += 1
            self.calls.append(1)
            if x.sum() > 0:
                try:
                    self.number = 100
                    x = x.reshape([100])
                except ValueError:
                    pass
            return x * len([0] * x.shape[0])

    net = to_static(Counting())
    assert net(paddle.ones([3])).tolist() == [3.0] * 3
    assert len(net.calls) == 1, "the attempt with open sizes was undone"


def test_hooks_and_backward_inside_are_refused() -> None:
    def hooked(x: Any) -> Any:
        y = x * 2
        y.register_hook(lambda g: g * 2)
        return y

    def backward(x: Any) -> Any:
        x.sum().backward()
        return x

    for function, text in ((hooked, "register_hook"), (backward, r"backward\(\) inside")):
        with pytest.raises(ConversionError, match=text):
            to_static(function)(paddle.ones([2]))


def test_static_layers_inside_static_layers() -> None:
    inner = to_static(Net())

    class Outer(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = inner
            self.box = paddle.nn.Sequential(inner)

        def forward(self, x: Any) -> Any:
            return self.inner(x) + self.box(x)

    net = to_static(Outer())
    net.eval()
    x = paddle.rand([2, 10])
    assert np.allclose(net(x).numpy(), 2 * inner(x).numpy(), atol=1e-5)


def test_many_programs_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    f = to_static(lambda x, k: x + k)
    for k in range(13):
        f(paddle.ones([1]), k + 0.5)
    assert [r.getMessage()[:34] for r in caplog.records] == ["Current traced program number: 11 "]


def test_attributes_that_are_given_other_tensors() -> None:
    class State(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", paddle.zeros([2]))
            self.last = paddle.zeros([2])

        def forward(self, x: Any) -> Any:
            self.mean = self.mean * 0.5 + x
            if x.sum() > 0:
                self.last = x
            return self.mean + self.last

    dynamic, static = State(), to_static(State())
    for value in (1.0, -2.0, 3.0):
        x = paddle.full([2], value)
        assert dynamic(x).tolist() == static(x).tolist()
        assert dynamic.mean.tolist() == static.mean.tolist()
        assert dynamic.last.tolist() == static.last.tolist()
    assert len(static.forward.program_cache) == 1

    class Growing(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.kept = paddle.zeros([2])

        def forward(self, x: Any) -> Any:
            self.kept = paddle.concat([self.kept, x])
            return x

    with pytest.raises(ConversionError, match="must keep its shape"):
        to_static(Growing())(paddle.ones([2]))


def test_a_replaced_part_is_seen() -> None:
    net = to_static(Net())
    net.eval()
    x = paddle.rand([2, 10])
    net(x)
    net.linear = paddle.nn.Linear(10, 3)
    assert np.allclose(net(x).numpy(), net.linear(x).numpy(), atol=1e-6)
    net.linear.weight = paddle.nn.Linear(10, 3).weight
    assert np.allclose(net(x).numpy(), net.linear(x).numpy(), atol=1e-6)
