"""Recurrent nets with Paddle's weights give its numbers, in dynamic mode and compiled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rnn_cases as cases

import wherry as paddle

HERE = Path(__file__).resolve().parent
WANT = dict(np.load(HERE / "rnn.npz"))


# Compiling takes long, so that not each of them is compiled.
COMPILED = ["lstm_lengths", "gru_states"]


def check(name: str, convert: Any) -> None:
    want = {k.partition("/")[2]: v for k, v in WANT.items() if k.partition("/")[0] == name}
    weights = {k.partition("/")[2]: v for k, v in want.items() if k.startswith("state/")}
    got = cases.results(paddle, cases.RNNS[name], convert, weights)
    assert got.keys() == want.keys()
    for key, array in want.items():
        assert got[key].shape == array.shape, key
        np.testing.assert_allclose(got[key], array, rtol=2e-5, atol=2e-6, err_msg=key)


@pytest.mark.parametrize("name", cases.RNNS)
def test_dynamic_mode_gives_paddles_numbers(name: str) -> None:
    check(name, lambda net: net)


@pytest.mark.parametrize("name", COMPILED)
def test_compiled_code_gives_paddles_numbers(name: str) -> None:
    check(name, paddle.jit.to_static)


def test_every_case_was_recorded() -> None:
    assert {key.partition("/")[0] for key in WANT} == set(cases.RNNS)
