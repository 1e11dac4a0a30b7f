"""The compact text form: prints, parses back to an equal Program, refuses with the line."""

import numpy as np
import pytest

from wherry.ir.text import equal, parse_text, to_text

EVERYTHING = """\
program(x: data float32[B, 4], y: int64[2*B + 1, ((B) // (2))]) {
  persist trainable w: grad float32[4, 3]
  persist c: float32[2] = [0.1, nan]
  persist flags: bool[2] = [true, false]
  persist empty: float32[0, 3] = []
  guard <B> <= <64> "needs at most 64 rows" @ net.py:3 "x = f(\\"a\\")"
  guard <broadcast> broadcast <3> "needs shapes that broadcast"
  guard <B> 1 or == <3> "one or three" @ "my net.py":4
  h: grad float32[B, 3] = matmul_v2(X=x, Y=w) @ net.py:7
  %"a b": grad float32[B, 3] = relu(X=h) @ "my net.py":8 "y = relu(h)"
  h@2: grad float32[B, 3] = unheard_of(X=[h, %"a b"], i=-1, f=1.0, e=1e-05, t="a\\nb", n=none, l=[1, [2, 3]], d=[<2*B>, -1], k=float32, b=true, low=-inf, high=nan)
  First=a: float32[1], More=[b: float32[1], %"true": persist bool[]] = two(X=h@2)
  print(X=h@2)
  s: float32[B, 3] = cond(Cond=%"true", X=h@2, true_block=block(p: float32[B, 3]) {
    q: float32[B, 3] = if_more(X=p, deep=block() {
      yield
    })
    yield q
  }, false_block=block(r: float32[B, 3]) {
    yield r
  }) @ net.py:12
  yield s, h@2
}
"""  # noqa: E501


def test_every_construct_prints_as_it_was_read() -> None:
    program = parse_text(EVERYTHING)
    assert to_text(program) == EVERYTHING
    assert equal(parse_text(to_text(program)), program, locs=True, values=True)


def test_what_is_read_is_what_was_meant() -> None:
    program = parse_text(EVERYTHING)
    op = program.global_block.ops[2]
    assert op.attrs["d"] == [program.inputs[0].shape[0] * 2, -1]  # type: ignore[operator]
    assert op.attrs["f"] == 1.0 and isinstance(op.attrs["f"], float)
    assert op.attrs["i"] == -1 and op.attrs["n"] is None and op.attrs["t"] == "a\nb"
    assert op.inputs["X"][1].name == "a b"
    assert [g.relation for g in program.guards] == ["<=", "broadcast", "1 or =="]
    assert program.values["c"].dtype == np.float32 and program.values["c"][0] == np.float32(0.1)
    assert program.values["empty"].shape == (0, 3)
    assert [block.parent.idx if block.parent else None for block in program.blocks] == [
        None,
        0,
        1,
        0,
    ]


def test_locations_can_be_left_out() -> None:
    text = to_text(parse_text(EVERYTHING), locs=False)
    assert "net.py" not in text
    assert equal(parse_text(text), parse_text(EVERYTHING))
    assert not equal(parse_text(text), parse_text(EVERYTHING), locs=True)


def test_defaults_are_left_out_and_come_back() -> None:
    text = "program(x: float32[2]) {\n  y: float32[2] = scale(X=x, scale=2.0)\n  yield y\n}\n"
    program = parse_text(text)
    assert program.global_block.ops[0].attrs == {
        "scale": 2.0, "bias": 0.0, "bias_after_scale": True,
    }  # fmt: skip
    assert to_text(program) == text


def test_large_arrays_are_not_shown() -> None:
    program = parse_text("program() {\n  persist w: float32[100]\n  yield w\n}")
    program.values["w"] = np.zeros(100, np.float32)
    assert "persist w: float32[100] = ...\n" in to_text(program)
    assert equal(parse_text(to_text(program)), program)
    assert not equal(parse_text(to_text(program)), program, values=True)


@pytest.mark.parametrize(
    "change",
    [
        ("axis=0", "axis=1"),
        ("axis=0", "axis=0.0"),
        ("axis=0", "axis=false"),
        ("float32[2, 2]", "float32[2, 3]"),
        ("yield y", "yield x"),
        ("y: float32", "y: grad float32"),
        ("X=x", "Z=x"),
        ("softmax", "relu"),
        ("x: float32", "x: data float32"),
    ],
)
def test_equal_sees_every_difference(change: tuple[str, str]) -> None:
    text = "program(x: float32[2, 2]) {\n y: float32[2, 2] = softmax(X=x, axis=0)\n yield y\n}"
    assert equal(parse_text(text), parse_text(text))
    assert not equal(parse_text(text), parse_text(text.replace(*change)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("program(x: float32[2]) {\n yield y }", "line 2: expected the name of a Variable"),
        ("program(x: float32[2], x: float32[2]) { yield }", "line 1: expected a name that is new"),
        ("program(x: f32[2]) { yield }", "line 1: expected a type, got f32"),
        ("program() { yield", "got the end of the text"),
        ("program() { yield } more", "expected the end of the text, got more"),
        ("program() {\n\n a: float32[2] = f(x=blob)\n yield }", "line 3"),
        ("program() { yield } $", "line 1: cannot read"),
    ],
)
def test_bad_text_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        parse_text(text)
    assert message in str(error.value)


def test_a_sub_block_sees_nothing_around_it() -> None:
    text = "program(x: float32[2]) {\n f(X=x, b=block() {\n yield x\n })\n yield }"
    with pytest.raises(ValueError, match="line 3: expected the name of a Variable"):
        parse_text(text)
