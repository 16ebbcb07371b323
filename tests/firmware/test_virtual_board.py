# SPDX-License-Identifier: BSD-2-Clause
"""The driver against the hardware itself: the design's Verilog from the pins of its link on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.firmware.conftest import FIRMWARE, ROOT, SANITIZERS, Compile

from celosia import generate

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
    digits = [int(line.split()[2].strip(",")) for line in done.stdout.splitlines()]
    assert digits == np.load(DIGITS / "labels.npy")[:PICTURES].tolist()
