"""Messages for mistakes that strangers make: whose line, what came, and the way out."""

from __future__ import annotations

import json
import logging
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wherry as paddle
from wherry.jit import save, to_static
from wherry.schema.errors import ConversionError, RunError
from wherry.static import InputSpec


def frames(caught: pytest.ExceptionInfo[BaseException]) -> list[str]:
    """The files of the traceback below the test itself."""
    return [Path(str(entry.path)).name for entry in caught.traceback[1:]]


def test_numpy_on_a_traced_tensor_is_refused_on_the_users_line() -> None:
    @to_static
    def f(x: Any) -> Any:
        middle = np.mean(x.numpy())
        return x - middle

    with pytest.raises(ConversionError, match=r"an argument of numpy\.mean") as caught:
        f(paddle.ones([2]))
    assert "            middle = np.mean(x.numpy())\n                     ~~~~" in str(caught.value)
    assert frames(caught) == ["test_messages.py"]


def test_an_error_inside_a_library_is_shown_where_the_user_called_it() -> None:
    @to_static
    def f(x: Any) -> Any:
        return x * json.loads("[1, ")["a"]

    with pytest.raises(json.JSONDecodeError) as caught:
        f(paddle.ones([2]))
    text = str(caught.value)
    assert text.count("File ") == 1 and "json.loads" in text and "<--- HERE" in text


def test_an_error_at_the_call_shows_the_lines_around_it() -> None:
    class Net(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.table = paddle.nn.Embedding(10, 4)

        @to_static
        def forward(self, ids: Any) -> Any:
            shifted = ids + 1
            return self.table(shifted)

    with pytest.raises(RunError, match=r"index 12 is out of range") as caught:
        Net()(paddle.to_tensor([3, 11]))
    text = str(caught.value)
    assert "shifted = ids + 1\n" in text and "return self.table(shifted)\n" in text
    assert "static_function.py" not in frames(caught)


def test_an_attribute_that_each_call_should_change_is_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Counter(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        @to_static
        def forward(self, x: Any) -> Any:
            self.calls += 1
            return x * self.calls

    with caplog.at_level(logging.WARNING):
        Counter()(paddle.ones([2]))
    assert "Counter.calls changes from 0 to 1" in caplog.text and "register_buffer" in caplog.text


def test_a_list_where_the_spec_has_a_tensor_is_named() -> None:
    f = to_static(lambda x: x, input_spec=[InputSpec([2])])
    with pytest.raises(TypeError, match=r"argument 'x' should be a tensor(?s:.*)a list") as caught:
        f([paddle.ones([2])])
    assert frames(caught) == []


def test_saving_shows_the_users_frames_only(tmp_path: Path) -> None:
    class Net(paddle.nn.Layer):
        def forward(self, x: Any) -> Any:
            return x.reshape([7])

    with pytest.raises(ValueError, match=r"return x\.reshape\(\[7\]\)") as caught:
        save(Net(), tmp_path / "net", [InputSpec([2])])
    assert frames(caught) == ["test_messages.py"]


def test_a_size_with_a_name_that_is_none_says_what_a_name_is() -> None:
    with pytest.raises(ValueError, match=r"shape\[0\] should be an `int`(?s:.*)such as 'B'"):
        InputSpec(["B C", 2])


def test_no_traceback_on_the_way_to_an_error_shows_our_frames(tmp_path: Path) -> None:
    @to_static
    def at_the_call(x: Any) -> Any:
        return x[paddle.to_tensor(7) + x.astype("int64")[0]]

    @to_static
    def from_another(x: Any) -> Any:
        try:
            return x.reshape([9])
        except ValueError as error:
            raise RuntimeError("no nine") from error

    def while_another(x: Any) -> Any:
        try:
            return x.reshape([9])
        except ValueError:
            return from_another(x)

    unsaved = to_static(lambda x: x)
    for call in (
        lambda: at_the_call(paddle.ones([2])),
        lambda: from_another(paddle.ones([2])),
        lambda: to_static(while_another)(paddle.ones([2])),
        lambda: paddle.jit.save(unsaved, str(tmp_path / "f")),
    ):
        with pytest.raises((ValueError, RuntimeError)) as caught:
            call()
        shown: BaseException | None = caught.value
        files = []
        while shown is not None:
            files += [Path(one.filename) for one in traceback.extract_tb(shown.__traceback__)]
            shown = shown.__cause__ or shown.__context__
        outside = [one for one in files if one != Path(__file__)]
        assert outside in ([], [Path(save.__code__.co_filename)]), files
