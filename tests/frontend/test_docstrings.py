"""Every example in the frontend's docstrings runs and prints what it says."""

import doctest
import importlib
import pkgutil

import pytest

import wherry as paddle

PACKAGES = ("ops", "nn", "nn.functional", "optimizer", "io")
SINGLE = (
    "autograd", "framework", "metric", "param_attr", "parameter", "printing", "random",
    "regularizer",
    "serialization", "tensor", "unique_name", "utils",
)  # fmt: skip


def _modules():
    for package in PACKAGES:
        loaded = importlib.import_module(f"wherry.{package}")
        for found in pkgutil.iter_modules(loaded.__path__):
            yield f"wherry.{package}.{found.name}"
    yield from (f"wherry.{name}" for name in SINGLE)


@pytest.mark.parametrize("name", list(_modules()))
def test_examples_run(name):
    module = importlib.import_module(name)
    paddle.seed(1)
    # Functions made by a factory are not found by doctest's search for definitions: name them.
    functions = {
        key: value.__doc__
        for key, value in vars(module).items()
        if getattr(value, "__module__", None) == name and isinstance(value.__doc__, str)
    }
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for key, text in functions.items():
        test = doctest.DocTestParser().get_doctest(text, dict(vars(module)), key, name, 0)
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0
