# SPDX-License-Identifier: BSD-2-Clause
"""The driver against the hardware itself: the design's Verilog from the pins of its link on."""

from __future__ import annotations

import ctypes
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from ctypes import CFUNCTYPE, byref, c_int, c_uint32
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.firmware.conftest import FIRMWARE, ROOT, SANITIZERS, Compile
from tests.firmware.driver import TRANSFER, CError, Device, Model, source_of

from celosia import generate
from celosia.compiler.image import Image
from celosia.importer import load_tflite
from celosia.passes import optimize
from celosia_hw.core import LinkKind
from celosia_sim.reference import run as run_reference

DIGITS = ROOT / "examples" / "digits"
PICTURES = 3

pytest.importorskip("cocotb", reason="the simulator's packages are not installed")

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the ports are of Linux"),
    pytest.mark.long,
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, generated."""
    folder = tmp_path_factory.mktemp("virtual") / "digits"
    generate(DIGITS / "digits.tflite", board="icebreaker", output=folder)
    return folder


def wanted(image: Image, picture: np.ndarray) -> bytes:
    """The accelerator's output, before the softmax."""
    graph = optimize(load_tflite(DIGITS / "digits.tflite"))
    return run_reference(graph, picture[None], keep=True)[image.outputs[0].tensor].tobytes()


def run_all(library: ctypes.CDLL, device: Device, image: Image, model: Model) -> None:
    for picture in np.load(DIGITS / "images.npy")[:PICTURES]:
        output = ctypes.create_string_buffer(10)
        data = picture.tobytes()
        assert library.celosia_run(byref(device), byref(model), data, output) == CError.OK
        assert output.raw == wanted(image, picture)
        cycles = image.cycles
        assert cycles * 0.9 < device.cycles < cycles * 1.1


def test_the_example_program_by_uart(compile_c: Compile, folder: Path, tmp_path: Path) -> None:
    from celosia_sim.virtual import VirtualBoard

    sources = (FIRMWARE / "examples" / "classify.c", FIRMWARE / "ports" / "linux_tty.c")
    program = compile_c("classify_virtual", *sources, options=("-O1", *SANITIZERS))
    inputs = tmp_path / "inputs"
    inputs.write_bytes(np.load(DIGITS / "images.npy")[:PICTURES].tobytes())
    with VirtualBoard(folder) as board:
        # A low rate, of which the terminal knows nothing: the simulation takes its time.
        command = [str(program), board.port, "2400", str(folder / "model.image"), str(inputs)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    first, *lines = done.stdout.splitlines()
    assert first == "self-test passed"
    digits = [int(line.split()[2].strip(",")) for line in lines]
    assert digits == np.load(DIGITS / "labels.npy")[:PICTURES].tolist()


@pytest.mark.parametrize("flash", [False, True])
def test_all_bytes_by_spi(board: ctypes.CDLL, folder: Path, flash: bool) -> None:
    """Loaded by the host, or by the board from its flash memory."""
    from celosia_sim.virtual import VirtualBoard

    image = Image.load(folder / "model.image")
    data = image.to_bytes()
    with ExitStack() as stack:
        virtual = stack.enter_context(VirtualBoard(folder, link=LinkKind.SPI, flash=flash))
        wires = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        wires.connect(virtual.port.removeprefix("spi:"))

        def transfer(out: Any, back: Any, count: int, _first: bool) -> None:
            wires.sendall(bytes(out[:count]))
            came = b""
            while len(came) < count:
                came += wires.recv(count - len(came))
            if back:
                ctypes.memmove(back, came, count)

        function = TRANSFER(transfer)
        clock = CFUNCTYPE(c_uint32)(lambda: int(1000 * time.monotonic()) & 0xFFFFFFFF)
        board.board_set(function, None, None, clock)
        device = Device(timeout_ms=60_000, attempts=2)
        spi = c_int()
        assert board.celosia_spi_open(byref(spi), byref(device), b"/dev/null", 1)
        assert board.celosia_open(byref(device)) == CError.OK
        model = Model()
        source = source_of(data)
        check = board.celosia_check if flash else board.celosia_load
        assert check(byref(device), byref(source), byref(model)) == CError.OK
        assert device.tested == (not flash)
        attached = board.celosia_attach(byref(device), byref(model))
        assert attached == (CError.OK if flash else CError.BOOT)
        if flash:
            table = source_of(image.self_test_record())
            assert board.celosia_self_test(byref(device), byref(model), byref(table)) == CError.OK
            assert device.tested
        run_all(board, device, image, model)
