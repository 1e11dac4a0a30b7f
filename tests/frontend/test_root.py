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


def test_the_limits_of_dtypes_are_those_of_paddle():
    single, half = paddle.finfo(paddle.float32), paddle.finfo("float16")
    assert (single.bits, single.eps, single.dtype) == (32, 1.1920928955078125e-07, "float32")
    assert (single.min, single.resolution) == (-3.4028234663852886e38, 1e-06)
    assert single.tiny == single.smallest_normal == 1.1754943508222875e-38
    assert (half.min, half.max) == (-65504.0, 65504.0)
    byte = paddle.iinfo("int8")
    assert (byte.min, byte.max, byte.bits, byte.dtype) == (-128, 127, 8, "int8")
    with pytest.raises(ValueError, match=r"paddle.finfo can only be .* got int64"):
        paddle.finfo("int64")
    with pytest.raises(ValueError, match=r"paddle.iinfo can only be .* got bool"):
        paddle.iinfo(paddle.bool)


def test_masks_are_filled_with_the_least_number_in_static_functions():
    def masked(x):
        return paddle.where(x > 0, x, paddle.full_like(x, paddle.finfo(x.dtype).min))

    x = paddle.to_tensor([-1.0, 2.0])
    assert masked(x).tolist() == paddle.jit.to_static(masked)(x).tolist()
