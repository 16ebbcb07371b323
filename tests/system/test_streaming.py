# SPDX-License-Identifier: BSD-2-Clause
"""Anomaly detection, whose weights are larger than all memories: they are read from flash while it
runs, as fast as the flash can, and no other weights are ever taken for them."""

from __future__ import annotations

import ctypes
import sys
from ctypes import byref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.firmware import driver
from tests.firmware.driver import CError

from celosia import Device, generate
from celosia.compiler.boot import boot_stream, flash_content
from celosia.compiler.image import Image, ImageSpace
from celosia.host.errors import IncompatibleError
from celosia.importer import load_tflite
from celosia_hw.isa import Boot
from celosia_sim.mlperf_tiny import real_inputs
from celosia_sim.random_models import random_graph

from .conftest import Samples, c_device, c_load, c_run, outputs_of

pytest.importorskip("cocotb", reason="the simulator's packages are not installed")
pytest.importorskip("serial", reason="the host's package is not installed")

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the ports are of Linux"),
    pytest.mark.long,
]

WEIGHT_BYTES = 264_192
#: Four lines, and a serial clock as fast as the design's.
FLASH_BYTES_PER_CYCLE = 0.5


@pytest.fixture(scope="module")
def folder(mlperf_tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streaming") / "ad01"
    generate(mlperf_tiny / "models" / "ad01_int8.tflite", board="icebreaker", output=folder)
    return folder


@pytest.fixture(scope="module")
def samples(mlperf_tiny: Path) -> Samples:
    """Two windows, of different machines' sounds."""
    graph = load_tflite(mlperf_tiny / "models" / "ad01_int8.tflite")
    found = np.stack(real_inputs(mlperf_tiny, graph, 2))
    assert not np.array_equal(found[0], found[1])
    return found


@pytest.fixture(scope="module")
def small(folder: Path) -> Path:
    """A model for the same accelerator that fits into its memories."""
    small, model = folder.with_name("small"), folder.with_name("small.tflite")
    model.write_bytes(random_graph(31))
    generate(model, board="icebreaker", config=folder / "manifest.json", output=small)
    assert not Image.load(small / "model.image").streams
    return small


def check_small(device: Device, small: Path) -> None:
    (port,) = Image.load(small / "model.image").inputs
    samples = np.random.default_rng(5).integers(-128, 128, (1, *port.shape)).astype(np.int8)
    device.load(small)
    assert np.array_equal(device(samples), outputs_of(small, samples))


def check_cycles(cycles: int) -> None:
    """All weights, and 5 % at most for everything else."""
    least = WEIGHT_BYTES / FLASH_BYTES_PER_CYCLE
    assert least <= cycles <= least / 0.95


def test_weights_are_streamed_as_fast_as_the_flash_can(
    folder: Path, small: Path, samples: Samples, c_library: ctypes.CDLL
) -> None:
    from celosia_sim.virtual import VirtualBoard

    image = Image.load(folder / "model.image")
    streamed = [s for s in image.sections if s.space == ImageSpace.EXTERNAL]
    assert sum(len(section.data) for section in streamed) == WEIGHT_BYTES
    wanted = outputs_of(folder, samples)
    with VirtualBoard(folder) as board:
        with Device.open(board.port) as device:
            assert device._accelerator.state().boot == Boot.DONE
            device.load(folder)
            assert np.array_equal(device(samples[0]), wanted[0])
            assert device.last_run is not None
            check_cycles(device.last_run.cycles)
            # What the boot left behind outlasts runs, and other models.
            check_small(device, small)
        with c_device(c_library, board.port) as c:
            # Python's self-test was one.
            c.no_self_test = True
            model = c_load(c_library, c, folder)
            assert model.external
            assert c_run(c_library, c, model, samples[1]) == wanted[1].tobytes()
            check_cycles(c.cycles)


def flash_of(what: str, image: Image) -> bytes:
    """Contents of a flash memory that does not hold ``image`` as it is."""
    if what == "empty":
        return b""
    if what == "damaged":
        content = bytearray(flash_content(image))
        content[len(boot_stream(image)) // 2] ^= 1
        return bytes(content)
    *others, weights = sorted(image.sections, key=lambda section: section.space)
    assert weights.space == ImageSpace.EXTERNAL
    changed = replace(weights, data=weights.data[:-1] + bytes([weights.data[-1] ^ 1]))
    return flash_content(replace(image, sections=(*others, changed)))


@pytest.mark.parametrize(
    ("what", "boot", "message"),
    [
        ("empty", Boot.FAILED, "found no good image there"),
        ("damaged", Boot.FAILED, "found no good image there"),
        ("retrained", Boot.DONE, "booted another image from there"),
    ],
)
def test_other_weights_are_not_run_with(
    folder: Path, small: Path, c_library: ctypes.CDLL, what: str, boot: Boot, message: str
) -> None:
    """Neither by Python nor by C; a model that needs no flash still runs."""
    from celosia_sim.virtual import VirtualBoard

    image = Image.load(folder / "model.image")
    with VirtualBoard(folder, flash=flash_of(what, image)) as board:
        with Device.open(board.port) as device:
            assert device._accelerator.state().boot == boot
            with pytest.raises(IncompatibleError, match=f"{message}.*'celosia program'"):
                device.load(folder)
            check_small(device, small)
            with pytest.raises(IncompatibleError, match=message):
                device.load(folder)
        with c_device(c_library, board.port) as c:
            source = driver.source_of((folder / "model.image").read_bytes())
            model = driver.Model()
            found = c_library.celosia_load(byref(c), byref(source), byref(model))
            assert found == CError.BOOT
            assert model.external
