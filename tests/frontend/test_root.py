"""The package itself: what `import wherry` gives, and what it does not load."""

import subprocess
import sys

import pytest

import wherry as paddle


def _run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_every_public_name_is_there():
    assert paddle.__all__ == sorted(paddle.__all__)
    for name in paddle.__all__:
        assert getattr(paddle, name) is not None
    assert paddle.__version__ and "to_tensor" in dir(paddle)
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        paddle.absent  # noqa: B018


def test_the_runtime_loads_neither_frontend_nor_compiler():
    loaded = _run("import wherry.runtime, sys; print(*sorted(sys.modules))")
    assert not {
        "wherry.tensor",
        "wherry.ops",
        "wherry.ir",
        "wherry.codegen",
        "llvmlite",
        "gast",
    } & {*loaded}


def test_the_frontend_loads_no_compiler_before_it_is_needed():
    code = "import wherry as p, sys; p.nn.Linear(2, 2)(p.ones([1, 2])); print(*sys.modules)"
    assert not {"llvmlite", "gast", "wherry.codegen"} & {*_run(code)}


def test_methods_come_with_the_class():
    code = "import wherry; print(hasattr(wherry.Tensor, 'reshape'))"
    assert _run(code) == ["True"]
