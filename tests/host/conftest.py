# SPDX-License-Identifier: BSD-2-Clause
"""Models, the folders that they are generated into, and devices that answer for them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import celosia
from celosia.compiler.image import Image
from celosia.host.device import Device
from celosia.host.link import Link
from celosia.importer import load_tflite
from celosia_sim.reference import run as run_reference

from .fake_device import FakeDevice, FakeLine

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """Links begin to number at random."""
    random.seed(1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, generated for iCEBreaker. To be read only."""
    folder = tmp_path_factory.mktemp("generated") / "digits"
    celosia.generate(DIGITS / "digits.tflite", board="icebreaker", output=folder)
    return folder


@pytest.fixture(scope="session")
def image(folder: Path) -> Image:
    return Image.load(folder / "model.image")


@pytest.fixture(scope="session")
def images() -> Any:
    """Inputs of the example, without batch."""
    return np.load(DIGITS / "images.npy")


@pytest.fixture(scope="session")
def expected(images: Any) -> Any:
    """What the reference says of the first ones, batch of 1 included."""
    return reference(DIGITS / "digits.tflite", [[x[np.newaxis]] for x in images[:20]])[0]


def reference(model: Path, samples: list[list[Any]]) -> list[Any]:
    """Each output of a model file, stacked over the samples (a list of inputs each)."""
    graph = load_tflite(model)
    results = [run_reference(graph, dict(zip(graph.inputs, x, strict=True))) for x in samples]
    return [np.stack([result[tensor] for result in results]) for tensor in graph.outputs]


def connect(line: FakeLine, **options: Any) -> Device:
    """A host at a line; no seconds are waited for."""
    clock = options.pop("clock_mhz", None)
    return Device(Link(line, **options), clock_mhz=clock)


def fake(device: Device) -> FakeDevice:
    """The fake at the other end of a host's line."""
    line = device._accelerator.link.transport
    assert isinstance(line, FakeLine)
    return line.device


@pytest.fixture
def device(image: Image) -> Device:
    """A host of a device that is as good as its line; no model is loaded."""
    return connect(FakeLine(FakeDevice(image)))
