# SPDX-License-Identifier: BSD-2-Clause
"""Two models take turns on one board; nothing of it is built or reset in between."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.firmware.conftest import FIRMWARE, ROOT, SANITIZERS, Compile

from celosia import Device, generate
from celosia.compiler.image import Image
from celosia_sim.random_models import random_graph

from .conftest import Samples, accelerator_outputs_of, c_device, c_load, c_run, outputs_of

pytest.importorskip("cocotb", reason="the simulator's packages are not installed")
pytest.importorskip("serial", reason="the host's package is not installed")

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the ports are of Linux"),
    pytest.mark.long,
]

DIGITS = ROOT / "examples" / "digits"
#: A depthwise convolution, a mean and a fully connected layer.
SECOND = 31


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The example, and another model for the same accelerator."""
    root = tmp_path_factory.mktemp("two")
    first, second, model = root / "first", root / "second", root / "second.tflite"
    generate(DIGITS / "digits.tflite", board="icebreaker", output=first)
    model.write_bytes(random_graph(SECOND))
    generate(model, board="icebreaker", config=first / "manifest.json", output=second)
    return {"first": first, "second": second}


@pytest.fixture(scope="module")
def samples(folders: dict[str, Path]) -> dict[str, Samples]:
    """With their batch of 1."""
    (port,) = Image.load(folders["second"] / "model.image").inputs
    random = np.random.default_rng(SECOND)
    drawn = random.integers(-128, 128, (4, *port.shape)).astype(np.int8)
    drawn[0], drawn[1] = -128, 127
    return {"first": np.load(DIGITS / "images.npy")[:4, np.newaxis], "second": drawn}


@pytest.fixture(scope="module")
def port(folders: dict[str, Path]) -> Iterator[str]:
    """Of one board for all tests, with the first model's design."""
    from celosia_sim.virtual import VirtualBoard

    with VirtualBoard(folders["first"]) as board:
        yield board.port


def test_with_python(port: str, folders: dict[str, Path], samples: dict[str, Samples]) -> None:
    with Device.open(port) as device:
        for name in ("first", "second", "first"):
            device.load(folders[name])
            outputs = device(samples[name])
            assert outputs.dtype == np.int8
            assert np.array_equal(outputs, outputs_of(folders[name], samples[name]))
        assert (device.retries, device.recoveries) == (0, 0)


def test_with_c(
    port: str,
    folders: dict[str, Path],
    samples: dict[str, Samples],
    compile_c: Compile,
    c_library: ctypes.CDLL,
    tmp_path: Path,
) -> None:
    sources = (FIRMWARE / "examples" / "classify.c", FIRMWARE / "ports" / "linux_tty.c")
    program = compile_c("classify_two", *sources, options=("-O1", *SANITIZERS))
    wanted = {name: accelerator_outputs_of(folders[name], samples[name]) for name in folders}
    cycles = {}
    for name in ("second", "first"):
        inputs = tmp_path / name
        inputs.write_bytes(samples[name].tobytes())
        # A low rate, of which the terminal knows nothing: the simulation takes its time.
        command = [str(program), port, "2400", str(folders[name] / "model.image"), str(inputs)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert (done.returncode, done.stderr) == (0, "")
        found = re.findall(r"^(\d+): class (\d+), (\d+) cycles$", done.stdout, re.MULTILINE)
        largest = [int(np.argmax(np.frombuffer(output, np.int8))) for output in wanted[name]]
        assert [(int(number), int(best)) for number, best, _ in found] == [*enumerate(largest)]
        cycles[name] = [int(count) for *_, count in found]
    # The program shows no more than classes: all bytes, by the driver that it is made of.
    with c_device(c_library, port) as device:
        model = c_load(c_library, device, folders["second"])
        for number, sample in enumerate(samples["second"]):
            assert c_run(c_library, device, model, sample) == wanted["second"][number]
            assert device.cycles == cycles["second"][number]
