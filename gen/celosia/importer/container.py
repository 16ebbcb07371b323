# SPDX-License-Identifier: BSD-2-Clause
"""Reads a model file from disk, and tells what it is if it is no ``.tflite`` file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from celosia.errors import Problem

#: Larger files are not read; the networks that fit an FPGA have a few megabytes.
MAX_FILE_BYTES = 256 * 1024 * 1024

_IDENTIFIER = b"TFL3"
_CONVERT = (
    "convert the model with tf.lite.TFLiteConverter (full-integer int8 quantization) and give the "
    ".tflite file"
)
#: First bytes of files that are mistaken for models, what they are, and what to do.
_SIGNATURES = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (such as a Keras .h5 model)", _CONVERT),
    (b"PK\x03\x04", "a zip archive (such as a .keras or a PyTorch file)", _CONVERT),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"\x80", "a Python pickle", _CONVERT),
    (
        b"version https://git-lfs",
        "a Git LFS pointer, not the file it stands for",
        "fetch the file with 'git lfs pull'",
    ),
    (b"<", "an HTML or XML text", "download the file itself, not the page about it"),
    (b"\x7fELF", "an executable", "give a .tflite file"),
)
#: Tags of the field after ir_version in an ONNX file (producer, domain, graph and the like).
_ONNX_TAGS = b"\x12\x1a\x22\x2a\x32\x3a\x42"


class UnreadableFileError(Exception):
    """``problem`` tells why a path has no model in it."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.problem = Problem(reason, remedy)


def read_tflite(path: Path) -> bytes:
    """The bytes of a file that has the identifier of a ``.tflite`` file.

    Raises UnreadableFileError for everything else.
    """
    try:
        data = _read(path)
    except OSError as error:
        reason = f"cannot be read ({error.strerror or error})"
        raise UnreadableFileError(reason, "check the path and its permissions") from None
    except ValueError:  # a null character
        raise UnreadableFileError("is no path", "give the path of a .tflite file") from None
    if not data:
        raise UnreadableFileError("the file is empty", "download or convert the model again")
    if data[4:8] != _IDENTIFIER:
        looks_like, remedy = _identify(path, data)
        raise UnreadableFileError(
            f"not a TensorFlow Lite model; it looks like {looks_like}", remedy
        )
    return data


def _read(path: Path) -> bytes:
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        if (path / "saved_model.pb").exists():
            raise UnreadableFileError("this is a TensorFlow SavedModel folder", _CONVERT)
        raise UnreadableFileError("this is a folder, not a file", "give the path of a .tflite file")
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableFileError("not a regular file", "give the path of a .tflite file")
    if status.st_size > MAX_FILE_BYTES:
        raise UnreadableFileError(
            f"the file has {status.st_size} bytes, more than the {MAX_FILE_BYTES} that are read",
            "use a smaller model",
        )
    return path.read_bytes()


def _identify(path: Path, data: bytes) -> tuple[str, str]:
    """What a file without the identifier looks like, and what to do."""
    for signature, looks_like, remedy in _SIGNATURES:
        if data.startswith(signature):
            return looks_like, remedy
    suffix = path.suffix.lower()
    if suffix == ".pb":
        return "a TensorFlow graph (.pb)", _CONVERT
    # An ONNX file is a protocol buffer that starts with the field ir_version, a small number.
    starts_like_onnx = data[:1] == b"\x08" and data[1:2] < b"\x20" and data[2:3] in _ONNX_TAGS
    if suffix == ".onnx" or (starts_like_onnx and len(data) > 2):
        return "an ONNX model", "convert it to an int8 .tflite file, for example with onnx2tf"
    if data[4:7] == _IDENTIFIER[:3]:
        version = data[7:8].decode("ascii", errors="replace")
        return f"a TensorFlow Lite file of schema version {version!r}", _CONVERT
    if _IDENTIFIER in data[:64] or (len(data) < 64 and suffix == ".tflite"):
        return "a damaged TensorFlow Lite file", "download or convert the model again"
    if b"0x54, 0x46, 0x4c, 0x33" in data[:4096].lower():
        return "a C array of a TensorFlow Lite model", "give the binary .tflite file it was made of"
    return "nothing known", "give a .tflite file"
