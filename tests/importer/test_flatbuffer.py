# SPDX-License-Identifier: BSD-2-Clause
"""Checked tables read what unchecked ones read, and refuse what would lead out of the file."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tflite

from celosia.errors import ModelError
from celosia.graph.ir import Graph
from celosia.importer.flatbuffer import (
    CheckedTable,
    CorruptFileError,
    checked,
    reinterpreted,
    root,
)
from celosia_sim.tflite_writer import ModelBuilder, per_tensor

Load = Callable[[bytes], Graph]
IN = per_tensor(0.5, -3)


def model() -> bytes:
    builder = ModelBuilder("two layers")
    x = builder.input("x", (1, 4), IN)
    weights = np.arange(12, dtype=np.int8).reshape(3, 4)
    y = builder.fully_connected(x, weights, None, per_tensor(0.01), IN, keep_num_dims=True)
    builder.output(builder.relu(y, IN))
    return builder.build()


def position(generated: Any, slot: int) -> int:
    """Byte of a field."""
    return int(generated._tab.Pos + generated._tab.Offset(slot))


def vector(generated: Any, slot: int) -> int:
    """Byte of the length of the vector in a field."""
    field = position(generated, slot)
    return int(field + struct.unpack_from("<I", model(), field)[0])


def with_number(at: int, value: int, form: str = "<I") -> bytes:
    data = bytearray(model())
    struct.pack_into(form, data, at, value)
    return bytes(data)


def test_reads_like_the_unchecked() -> None:
    data = model()
    plain, safe = tflite.Model.GetRootAs(data), root(tflite.Model, data)
    assert safe.Description() == plain.Description() == b"two layers"
    assert safe.Version() == plain.Version() == 3
    first, second = plain.Subgraphs(0), checked(safe.Subgraphs(0))
    assert second.TensorsLength() == first.TensorsLength() == 4
    for index in range(4):
        a, b = first.Tensors(index), checked(second.Tensors(index))
        assert b.Name() == a.Name()
        assert np.array_equal(b.ShapeAsNumpy(), a.ShapeAsNumpy())
        assert b.Buffer() == a.Buffer()
        assert b.IsVariable() == a.IsVariable() is False
        assert checked(b.Quantization()).Scale(0) == a.Quantization().Scale(0)
    table = checked(second.Operators(0)).BuiltinOptions()
    options = reinterpreted(tflite.FullyConnectedOptions, table)
    assert table.Pos == first.Operators(0).BuiltinOptions().Pos
    assert options.KeepNumDims() is True


MODEL = root(tflite.Model, model())
SUBGRAPH = checked(MODEL.Subgraphs(0))
TENSOR = checked(SUBGRAPH.Tensors(0))
WEIGHTS = checked(SUBGRAPH.Tensors(1))
TABLE = TENSOR._tab.Pos
VTABLE = TABLE - struct.unpack_from("<i", model(), TABLE)[0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (with_number(0, 0xFFFFFF00), "a table lies at byte 4294967040, outside of the file"),
        (with_number(TABLE, -(1 << 31), "<i"), "has its layout outside the file"),
        (with_number(TABLE, (1 << 31) - 1, "<i"), "has its layout outside the file"),
        (with_number(VTABLE, 0xFFFE, "<H"), "has an impossible layout"),
        (with_number(VTABLE, 2, "<H"), "has an impossible layout"),
        (with_number(VTABLE, 7, "<H"), "has an impossible layout"),
        (with_number(VTABLE + 2, 0xFFFF, "<H"), "has an impossible size"),
        (with_number(VTABLE + 2, 0, "<H"), "has an impossible size"),
        (with_number(VTABLE + 4, 0xFFF0, "<H"), "lies outside of it"),
        (with_number(VTABLE + 4, 1, "<H"), "lies outside of it"),
        (with_number(vector(TENSOR, 4), 0xFFFFFFFF), "has 4294967295 elements, more than the file"),
        (with_number(position(TENSOR, 4), 0xFFFFFFFF), "leads out of the file"),
        (with_number(position(TENSOR, 10), 0x7FFFFFFF), "leads out of the file"),
        (with_number(position(WEIGHTS, 8), 99), "has its data in buffer 99, which is none"),
        (with_number(vector(SUBGRAPH, 4), 40000), "elements, more than the file|40000 tensors"),
        (with_number(vector(SUBGRAPH, 10), 5000), "elements, more than the file|5000 operators"),
        (with_number(vector(MODEL, 8), 2), "it has 2 subgraphs instead of 1"),
        (with_number(vector(MODEL, 8), 0), "it has 0 subgraphs instead of 1"),
        (with_number(position(MODEL, 4), 2), "its schema version is 2, not 3"),
        (with_number(vector(MODEL, 6), 1), "operator 1 has the code 1 of 1"),
    ],
)  # fmt: skip
def test_corruption(data: bytes, message: str, load: Load) -> None:
    with pytest.raises(ModelError, match=message):
        load(data)


@pytest.mark.parametrize("off", [-1, -4, 1 << 40])
def test_accesses_outside(off: int) -> None:
    table = CheckedTable(model(), MODEL._tab.Pos)
    for access in (table.Indirect, table.String):
        with pytest.raises(CorruptFileError, match="outside of the file"):
            access(off)


# --- what the model builder cannot write ---------------------------------------------------------


def added_to_tensors(monkeypatch: pytest.MonkeyPatch, add: Callable[[Any], None]) -> bytes:
    """The model with something more in each of its tensors."""
    original = tflite.TensorAddHasRank

    def hooked(builder: Any, value: bool) -> None:
        original(builder, value)
        add(builder)

    monkeypatch.setattr(tflite, "TensorAddHasRank", hooked)
    return model()


def test_variables(monkeypatch: pytest.MonkeyPatch, load: Load) -> None:
    data = added_to_tensors(monkeypatch, lambda b: tflite.TensorAddIsVariable(b, True))
    with pytest.raises(ModelError, match="it is a variable"):
        load(data)


def test_sparse_tensors(monkeypatch: pytest.MonkeyPatch, load: Load) -> None:
    tables: list[int] = []
    original = tflite.QuantizationParametersEnd

    def end(builder: Any) -> int:
        tables.append(original(builder))
        return tables[-1]

    monkeypatch.setattr(tflite, "QuantizationParametersEnd", end)
    data = added_to_tensors(monkeypatch, lambda b: tflite.TensorAddSparsity(b, tables[-1]))
    with pytest.raises(ModelError, match="it is stored sparse"):
        load(data)


def test_external_data(monkeypatch: pytest.MonkeyPatch, load: Load) -> None:
    original = tflite.BufferEnd

    def end(builder: Any) -> int:
        tflite.BufferAddOffset(builder, 4096)
        return int(original(builder))

    monkeypatch.setattr(tflite, "BufferEnd", end)
    data = model()
    monkeypatch.undo()
    with pytest.raises(ModelError, match="its data lie outside of the flatbuffer"):
        load(data)


def test_custom_quantization(monkeypatch: pytest.MonkeyPatch, load: Load) -> None:
    original = tflite.QuantizationParametersEnd

    def end(builder: Any) -> int:
        tflite.QuantizationParametersAddDetailsType(builder, 1)
        return int(original(builder))

    monkeypatch.setattr(tflite, "QuantizationParametersEnd", end)
    data = model()
    monkeypatch.undo()
    with pytest.raises(ModelError, match="its quantization is a custom one"):
        load(data)


def test_old_operator_codes(monkeypatch: pytest.MonkeyPatch, load: Load) -> None:
    """Files from before the 32-bit operator codes have the 8-bit field alone."""
    monkeypatch.setattr(tflite, "OperatorCodeAddBuiltinCode", lambda builder, code: None)
    assert [op.kind for op in load(model()).ops] == ["FullyConnected", "Elementwise"]


def test_new_operator_codes(monkeypatch: pytest.MonkeyPatch, load: Load) -> None:
    """The larger field counts, as in TensorFlow Lite, wherever a writer put the code."""
    monkeypatch.setattr(tflite, "OperatorCodeAddDeprecatedBuiltinCode", lambda builder, code: None)
    assert [op.kind for op in load(model()).ops] == ["FullyConnected", "Elementwise"]


def test_names_are_printable(load: Load) -> None:
    builder = ModelBuilder()
    x = builder.input("bad\x1b[31m\n" + "x" * 2000, (1, 4), IN)
    builder.output(builder.relu(x, IN))
    name = load(builder.build()).tensors[x].name
    assert name.startswith("bad\N{REPLACEMENT CHARACTER}[31m")
    assert name.isprintable()
    assert len(name) == 512
