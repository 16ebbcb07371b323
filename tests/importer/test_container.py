# SPDX-License-Identifier: BSD-2-Clause
"""Paths that lead to no model, and files of other kinds: the message says what is there."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from celosia.errors import ModelError
from celosia.importer import container
from celosia.importer.tflite import load_tflite


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as writer:
        writer.writestr("config.json", "{}")
    return file.getvalue()


ONNX = b"\x08\x08\x12\x07pytorch\x1a\x052.1.0"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("m.tflite", b"", "the file is empty"),
        ("m.h5", b"\x89HDF\r\n\x1a\n" + bytes(64), r"HDF5 file \(such as a Keras \.h5 model\)"),
        ("m.keras", archive(), r"zip archive \(such as a \.keras or a PyTorch file\)"),
        ("m.onnx", ONNX, "ONNX model; convert it to an int8 .tflite file"),
        ("renamed.tflite", ONNX + bytes(99), "ONNX model"),
        ("m.pb", b"\x0a\x10\x0a\x01x", r"a TensorFlow graph \(\.pb\)"),
        ("m.pkl", b"\x80\x04\x95", "a Python pickle"),
        ("m.tflite.gz", b"\x1f\x8b\x08", "a gzip archive; unpack it first"),
        ("m.tflite", b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        ("m.tflite", b"<!DOCTYPE html>", "an HTML or XML text; download the file itself"),
        ("m.cc", b"const unsigned char g[] = {0x1c, 0, 0, 0, 0x54, 0x46, 0x4C, 0x33", "C array"),
        ("m.tflite", b"\x1c\0\0\0TFL2" + bytes(64), "TensorFlow Lite file of schema version '2'"),
        ("m.tflite", b"\x1c\0\0\0TF", "a damaged TensorFlow Lite file"),
        ("m.bin", bytes(range(100, 200)), "nothing known; give a .tflite file"),
        ("m.tflite", b"\x1c\0\0\0TFL3", "the file is corrupt: a table lies at byte 28, outside"),
        ("m.tflite", b"\xff\xff\xff\xffTFL3" + bytes(64), "corrupt: a table lies at byte 42949672"),
    ],
)  # fmt: skip
def test_other_files(name: str, data: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(data)
    with pytest.raises(ModelError, match=message) as caught:
        load_tflite(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert len(caught.value.problems) == 1


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="none.tflite: cannot be read .No such file or directory"):
        load_tflite(tmp_path / "none.tflite")


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="this is a folder, not a file"):
        load_tflite(tmp_path)


def test_saved_model(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01\x12")
    with pytest.raises(ModelError, match="this is a TensorFlow SavedModel folder; convert"):
        load_tflite(str(tmp_path))


def test_fifo(tmp_path: Path) -> None:
    """Reading it would wait forever."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError, match="not a regular file"):
        load_tflite(tmp_path / "pipe")


def test_null_in_path() -> None:
    with pytest.raises(ModelError, match="is no path"):
        load_tflite("a\0b")


def test_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "MAX_FILE_BYTES", 100)
    file = tmp_path / "large.tflite"
    file.write_bytes(bytes(101))
    with pytest.raises(ModelError, match="has 101 bytes, more than the 100 that are read"):
        load_tflite(file)
