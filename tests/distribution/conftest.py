"""Lets the tests of this folder import its helper modules by name; one seed for each test."""

import sys
from pathlib import Path

import pytest

import wherry as paddle

sys.path.append(str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _fresh_state():
    paddle.seed(1234)
    yield
    paddle.set_default_dtype("float32")
