"""Flat tables and the container: round trips of anything, and nothing odd from odd bytes."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.schema.container import MODEL_MAGIC, Section, frame, unframe
from wherry.schema.dtypes import DTYPES
from wherry.schema.errors import Loc, ModelFormatError
from wherry.schema.flat import Numbers, Where
from wherry.schema.native import (
    NATIVE,
    GuardSite,
    Signature,
    Site,
    SymbolSource,
    TensorSpec,
)
from wherry.schema.params import ParamsImage, read_params

WHERE = Where("file")
text = st.text(max_size=8)
locs = st.none() | st.builds(Loc, text, st.integers(0, 10**6), text)
dims = st.integers(0, 2**62) | text
specs = st.builds(TensorSpec, text, st.sampled_from(DTYPES), st.lists(dims, max_size=4).map(tuple))


@st.composite
def signatures(draw: Any) -> Signature:
    """Any signature whose symbols are read from dims that exist."""
    inputs = draw(st.lists(specs, max_size=3))
    places = [(i, axis) for i, spec in enumerate(inputs) for axis in range(len(spec.dims))]
    chosen = draw(st.lists(st.sampled_from(places), max_size=3)) if places else []
    return Signature(
        draw(text), inputs, draw(st.lists(specs, max_size=3)), draw(st.lists(specs, max_size=3)),
        draw(st.lists(text, max_size=3)),
        [SymbolSource(draw(text), *place) for place in chosen],
        draw(st.lists(st.builds(GuardSite, text, locs), max_size=3)),
        draw(st.lists(st.builds(Site, text, locs, text), max_size=3)),
    )  # fmt: skip


@given(signatures())
@settings(deadline=None, max_examples=60)
def test_a_signature_comes_back(signature: Signature) -> None:
    assert Signature.unpack(signature.pack()) == signature


SAMPLE = Signature(
    "m",
    [TensorSpec("x", DTYPES[7], ("B", 3))],
    outputs=[TensorSpec("y", DTYPES[7], ("B*2",))],
    symbols=[SymbolSource("B", 0, 0)],
    guards=[GuardSite("g", Loc("f.py", 3, "x"))],
    sites=[Site("add", Loc("f.py", 4, "y"), "text")],
).pack()


@given(st.lists(st.tuples(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255)), max_size=4),
       st.integers(0, len(SAMPLE)))  # fmt: skip
@settings(deadline=None, max_examples=400)
def test_altered_tables_are_read_or_refused(changes: list[tuple[int, int]], length: int) -> None:
    """Without a crc in front of it, too, a table gives a Signature or one kind of error."""
    data = bytearray(SAMPLE)
    for place, value in changes:
        data[place] = value
    try:
        Signature.unpack(bytes(data[: length or None]))
    except ModelFormatError as error:
        assert str(error).startswith("signature: at byte ")


def test_absurd_lengths_are_refused() -> None:
    """The length of every vector in turn says four billion."""
    refused = 0
    for at in range(0, len(SAMPLE) - 4, 4):
        data = bytearray(SAMPLE)
        struct.pack_into("<I", data, at, 0xFFFFFFF0)
        try:
            Signature.unpack(bytes(data))
        except ModelFormatError as error:
            assert str(error).startswith("signature: at byte ")
            refused += 1
    assert refused > 80, "only a few of these hundred places may hold any number"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("spec_rank", [2, 9], "counts of dims that add up to 3, got 11"),
        ("spec_dtype", [5, 99], "the number of a dtype, got 99"),
        ("spec_name", [0, 50], "string number below"),
        ("spec_dims", [-99, 3, 3], "string number below"),
        ("symbol_input", [7], "tensor number below 1, got 7"),
        ("symbol_axis", [2], "axis number below 2, got 2"),
        ("guard_loc", [2], "source line number below 2, got 2"),
        ("site_op", [], "vectors of one length: site_op, site_message, site_loc"),
        ("counts", [1, 1], "a signature with one name and three counts"),
        ("string_ends", [4, 2], "strings that lie one after the other"),
    ],
)
def test_numbers_that_lead_nowhere_are_refused(field: str, value: list[int], message: str) -> None:
    vectors = {**NATIVE.read(SAMPLE, WHERE), field: np.array(value, NATIVE.fields[field])}
    with pytest.raises(ModelFormatError, match=message):
        Signature.unpack(NATIVE.write(vectors))


def test_strings_must_be_utf8() -> None:
    vectors = {**NATIVE.read(SAMPLE, WHERE)}
    vectors["strings"] = np.full_like(vectors["strings"], 0xFF)
    with pytest.raises(ModelFormatError, match="strings in utf-8"):
        Numbers(vectors, WHERE)


names = st.text("abcdefgh", min_size=1, max_size=16)


@given(st.dictionaries(names, st.binary(max_size=200), max_size=5))
@settings(deadline=None, max_examples=60)
def test_a_container_comes_back(sections: dict[str, bytes]) -> None:
    parts = [Section(name, [data[:3], data[3:]]) for name, data in sections.items()]
    data = b"".join(bytes(chunk) for chunk in frame(MODEL_MAGIC, parts))
    found = unframe(memoryview(data), MODEL_MAGIC, WHERE)
    assert {name: bytes(view) for name, (_, view) in found.items()} == sections
    assert all(at % 64 == 0 and data[at:][: len(view)] == view for at, view in found.values())


@given(st.dictionaries(
    st.text(max_size=10),
    st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 4), max_size=3)), max_size=4,
))  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_parameters_come_back(kinds: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        name: (rng.random(shape) * 9).astype(dtype.numpy) for name, (dtype, shape) in kinds.items()
    }
    image = ParamsImage(arrays)
    data = b"".join(bytes(chunk) for chunk in image.chunks())
    digest, found = read_params(memoryview(data), WHERE)
    assert digest == image.hash and list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)


def test_parameters_that_are_views_are_written_in_order() -> None:
    base = np.arange(12, dtype=np.int32).reshape(3, 4)
    views = {"t": base.T, "r": base[::-1], "0": np.array(5.0)}
    data = b"".join(bytes(chunk) for chunk in ParamsImage(views).chunks())
    _, found = read_params(memoryview(data), WHERE)
    for name, view in views.items():
        np.testing.assert_array_equal(found[name], view)
    assert found["0"].shape == ()
