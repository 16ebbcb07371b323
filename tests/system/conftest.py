# SPDX-License-Identifier: BSD-2-Clause
"""Whole systems: a host's program, the line, and the design simulated from its pins on."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import byref, c_int
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from tests.firmware import driver
from tests.firmware.conftest import FIRMWARE, Compile
from tests.firmware.conftest import compile_c as compile_c
from tests.firmware.driver import CError

from celosia.compiler.image import Image
from celosia.importer import load_tflite
from celosia.passes import optimize
from celosia_sim.reference import run as run_reference

Samples = npt.NDArray[np.int8]


def outputs_of(folder: Path, samples: Samples) -> Samples:
    """What the reference makes of samples (with their batch of 1) by the folder's model file."""
    graph = load_tflite(folder / "model.tflite")
    (x,), (y,) = graph.inputs, graph.outputs
    return np.stack([run_reference(graph, {x: sample})[y] for sample in samples])


def accelerator_outputs_of(folder: Path, samples: Samples) -> list[bytes]:
    """The same where the accelerator's part of the model ends, which a softmax may follow."""
    graph = optimize(load_tflite(folder / "model.tflite"))
    (output,) = Image.load(folder / "model.image").outputs
    return [
        run_reference(graph, {graph.inputs[0]: sample}, keep=True)[output.tensor].tobytes()
        for sample in samples
    ]


@pytest.fixture(scope="session")
def c_library(compile_c: Compile) -> ctypes.CDLL:
    """The driver with its serial port for Linux; undefined behaviour ends the process."""
    checks = ("-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")
    options = ("-O2", "-shared", "-fPIC", *checks)
    library = ctypes.CDLL(
        str(compile_c("libsystem.so", FIRMWARE / "ports" / "linux_tty.c", options=options))
    )
    library.celosia_tty_open.restype = ctypes.c_bool
    return driver.declare(library)


@contextmanager
def c_device(library: ctypes.CDLL, port: str) -> Iterator[driver.Device]:
    """An opened device of the driver; its timeout is that of a simulation."""
    device, tty = driver.Device(timeout_ms=60_000, attempts=2), c_int()
    assert library.celosia_tty_open(byref(tty), byref(device), port.encode(), 1_000_000)
    try:
        assert library.celosia_open(byref(device)) == CError.OK
        yield device
    finally:
        library.celosia_tty_close(byref(tty))


def c_load(library: ctypes.CDLL, device: driver.Device, folder: Path) -> driver.Model:
    """``celosia_load`` of a folder's image."""
    model = driver.Model()
    source = driver.source_of((folder / "model.image").read_bytes())
    assert library.celosia_load(byref(device), byref(source), byref(model)) == CError.OK
    return model


def c_run(
    library: ctypes.CDLL, device: driver.Device, model: driver.Model, sample: Samples
) -> bytes:
    """``celosia_run`` of a model with one input and one output."""
    output = ctypes.create_string_buffer(model.tensor[1].elements)
    data = sample.tobytes()
    assert library.celosia_run(byref(device), byref(model), data, output) == CError.OK
    return output.raw
