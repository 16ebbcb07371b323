# SPDX-License-Identifier: BSD-2-Clause
"""Generated headers: the committed one is up to date, and model.h is C99 whatever the names are."""

from __future__ import annotations

import re
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.firmware.conftest import FIRMWARE, Compile
from tests.firmware.driver import CError

from celosia.compiler.image import Image, TensorPort
from celosia.errors import InputError
from celosia.firmware import model_header, protocol_header
from celosia.labels import load_labels
from celosia_hw.link.protocol import REGISTER_SPACE, Result

PRINT_MODEL = Path(__file__).with_name("print_model.c")

HOSTILE = [
    'a"; int injected(void) { return 0; } char *b = "',
    "*/ #error */",
    "line\nbreak\\\n\\",
    "??/ ??= ??'",
    "%s\0\x01\x7f\x1b",
    "naïve 🐈 \u2028 \udc80",
    "0123",
    "",
    "x" * 5000,
]


def test_the_committed_header_is_the_generated_one() -> None:
    committed = (FIRMWARE / "include" / "celosia_protocol.h").read_text()
    assert committed == protocol_header(), (
        "regenerate it: python -m celosia.firmware > firmware/include/celosia_protocol.h"
    )


def test_the_header_has_the_offsets_of_an_image(digits_image: Image) -> None:
    values = {
        name: int(value, 0)
        for name, value in re.findall(r"#define CELOSIA_(\w+) (\w+)u\n", protocol_header())
    }
    data = digits_image.to_bytes()

    def u32(offset: int) -> int:
        return int(struct.unpack_from("<I", data, offset)[0])

    assert u32(values["IMAGE_LENGTH_AT"]) == len(data)
    assert u32(values["IMAGE_CYCLES_AT"]) == digits_image.cycles
    assert u32(values["IMAGE_PROFILE_AT"]) == digits_image.profile_base
    tensor = values["IMAGE_RECORD_BYTES"] + values["SECTION_RECORD_BYTES"] * u32(
        values["IMAGE_SECTIONS_AT"]
    )
    port = digits_image.inputs[0]
    assert u32(tensor + values["TENSOR_STRIDE_AT"] + 4) == port.strides[1]
    assert u32(tensor + values["TENSOR_ELEMENT_BYTES_AT"]) == 1
    assert values["SPACE_REGISTERS"] == REGISTER_SPACE


def test_the_tests_know_all_errors() -> None:
    """Those of the enumeration, in its order; the first ones are the protocol's results."""
    header = (FIRMWARE / "include" / "celosia.h").read_text()
    names = re.findall(r"^    CELOSIA_(?:ERROR_)?(\w+)(?: = \w+)?,?(?= |$)", header, re.MULTILINE)
    assert names == [error.name for error in CError]
    assert [error.name for error in CError][: len(Result)] == [result.name for result in Result]
    assert [int(error) for error in CError] == list(range(len(names)))
    assert [int(result) for result in Result] == list(range(len(Result)))


def compiled(compile_c: Compile, folder: Path, header: str) -> list[str]:
    """What a program prints that was compiled with a ``model.h``."""
    folder.mkdir(exist_ok=True)
    (folder / "model.h").write_text(header)
    options = ("-I", str(folder), "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    program = compile_c(f"print_{folder.name}", PRINT_MODEL, options=options)
    done = subprocess.run([program], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return [part.decode("utf-8", "surrogatepass") for part in done.stdout.split(b"\xff")]


def test_the_model_of_the_header_is_that_of_the_image(
    compile_c: Compile, tmp_path: Path, digits_image: Image
) -> None:
    labels = [f"digit {i}" for i in range(10)]
    lines = compiled(compile_c, tmp_path / "digits", model_header(digits_image, 24.0, labels))
    data = digits_image.to_bytes()
    port, output = digits_image.inputs[0], digits_image.outputs[0]
    assert lines[0] == "digits"
    assert [int(word) for word in lines[1].split()] == [
        len(data),
        int.from_bytes(data[16:20], "little"),
        digits_image.config.fingerprint,
        digits_image.entry,
        len(digits_image.instructions),
        digits_image.profile_base,
        digits_image.cycles,
        0,
        1,
        1,
        24_000_000,
    ]
    for line, tensor, name in ((lines[2], port, lines[4]), (lines[3], output, lines[5])):
        shape = [*tensor.shape, *[0] * (6 - len(tensor.shape))]
        strides = [*tensor.strides, *[0] * (6 - len(tensor.shape))]
        elements = 64 if tensor is port else 10
        numbers = [tensor.address, elements, len(tensor.shape), tensor.zero_point]
        assert [int(word) for word in line.split()] == [*numbers, *shape, *strides]
        assert name == tensor.name
    scale, multiplier, shift, inverse, inverse_shift = lines[6].split()
    assert np.float32(scale) == np.float32(port.scale)
    assert int(multiplier) * 2.0 ** (int(shift) - 31) == port.scale
    assert int(inverse) * 2.0 ** (int(inverse_shift) - 31) == pytest.approx(1 / port.scale, 1e-9)
    assert lines[7:-1] == labels


@pytest.mark.parametrize("index", range(len(HOSTILE)))
def test_hostile_names_are_only_text(
    compile_c: Compile, tmp_path: Path, digits_image: Image, index: int
) -> None:
    text = HOSTILE[index]
    image = replace(
        digits_image,
        model=text,
        inputs=(replace(digits_image.inputs[0], name=text),),
        outputs=(replace(digits_image.outputs[0], name=text),),
    )
    header = model_header(image, 24.0, [text] * 10)
    assert header.isascii()
    assert max(map(len, header.splitlines())) < 4095
    lines = compiled(compile_c, tmp_path / f"hostile_{index}", header)
    wanted = text if len(text) < 1000 else text[:997] + "..."
    # The program prints up to a zero.
    wanted = wanted.split("\0")[0]
    assert [lines[0], lines[4], lines[5], *lines[7:-1]] == [wanted] * 13


def test_headers_of_unusual_models(compile_c: Compile, tmp_path: Path, digits_image: Image) -> None:
    """No dimensions; scales without an integer form; no softmax, no labels."""
    ports = (
        TensorPort("s", 0, "uint8", (), (1 << 17) - 1, (), 1e-30, 255),
        TensorPort("t", 1, "int8", (1, 2, 1, 2, 1, 3), 4, (900, 400, 8, 99, 7, 33), 3e9, -7),
    )
    image = replace(digits_image, inputs=ports[:1], outputs=ports[1:], host=())
    header = model_header(image, 12.0)
    assert "SOFTMAX" not in header
    assert "LABELS" not in header
    lines = compiled(compile_c, tmp_path / "unusual", header)
    tail = " ".join(["0"] * 12)
    assert lines[2].strip() == f"{(1 << 17) - 1} 1 0 255 {tail}"
    assert lines[3].strip() == "4 12 6 -7 1 2 1 2 1 3 900 400 8 99 7 33"


def test_labels_must_be_as_many_as_classes(tmp_path: Path, digits_image: Image) -> None:
    with pytest.raises(InputError, match="9 labels, but the output .* has 10 elements"):
        model_header(digits_image, 24.0, ["x"] * 9)
    file = tmp_path / "labels.txt"
    file.write_bytes("\ufeffnull\r\n üns \n\n  \n".encode())
    assert load_labels(file) == ["null", "üns"]
    file.write_bytes(b"")
    with pytest.raises(InputError, match="has no labels"):
        load_labels(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="no text in UTF-8"):
        load_labels(file)
    with pytest.raises(InputError, match="cannot be read"):
        load_labels(tmp_path / "absent")
