# SPDX-License-Identifier: BSD-2-Clause
"""Reads the inputs of the MLPerf Tiny benchmark and of ``person_detect``, ready to feed.

The folder holds ``models/*.tflite`` and, under ``inputs``, one folder for each task: int8 spectra
for keyword spotting, uint8 RGB images (height, width, channel) for the two image tasks, float32
spectrograms for anomaly detection, of which windows are inputs; and two grey bitmaps.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from celosia.errors import InputError
from celosia.graph.ir import Graph

#: Folder of each model's inputs; models that are absent here have none.
_FOLDERS = {
    "kws_ref_model": "kws01",
    "pretrainedResnet_quant": "ic01",
    "vww_96_int8": "vww01",
    "ad01_int8": "ad01",
}
_BITMAPS = {"person_detect": ("person.bmp", "no_person.bmp")}
#: Bytes from the start of one window to the next in a spectrogram for anomaly detection.
_WINDOW_STEP = 512


def real_inputs(folder: Path, graph: Graph, count: int) -> list[npt.NDArray[np.int8]]:
    """Up to ``count`` inputs of a model, spread over its files, in the model's input shape.

    Args:
        folder: that holds ``inputs``.
        graph: the imported model; its name tells the task.
        count: how many at most; the list is empty for a model without inputs.

    Raises:
        InputError: a file has not the size of an input.
    """
    if graph.name in _BITMAPS:
        files = [folder / "inputs" / name for name in _BITMAPS[graph.name]]
    elif graph.name in _FOLDERS:
        files = sorted((folder / "inputs" / _FOLDERS[graph.name]).glob("*.bin"))
    else:
        return []
    if not files:
        return []
    # One of each file in turn: files alternate between classes less than their parts do.
    spread = files[:: max(1, len(files) // count)]
    streams = [_inputs(file, graph) for file in spread]
    rounds = -(-count // len(streams))
    found = [list(islice(stream, rounds)) for stream in streams]
    turns = [inputs[turn] for turn in range(rounds) for inputs in found if turn < len(inputs)]
    return turns[:count]


def _inputs(file: Path, graph: Graph) -> Iterator[npt.NDArray[np.int8]]:
    """The inputs in a file."""
    tensor = graph.tensors[graph.inputs[0]]
    data = file.read_bytes()
    if file.suffix == ".bmp":
        yield _grey_bitmap(file, data, tensor.shape)
    elif graph.name == "ad01_int8":
        quantization = tensor.quantization
        assert quantization is not None
        size = 4 * tensor.shape[-1]
        for start in range(0, len(data) - size + 1, _WINDOW_STEP):
            window = np.frombuffer(data, "<f4", tensor.shape[-1], start)
            steps = np.round(window / np.float32(quantization.scale)) + quantization.zero_point
            yield np.clip(steps, -128, 127).astype(np.int8).reshape(tensor.shape)
    elif len(data) != np.prod(tensor.shape):
        raise InputError(f"{file}: it has {len(data)} bytes instead of {np.prod(tensor.shape)}")
    elif graph.name == "kws_ref_model":
        yield np.frombuffer(data, np.int8).reshape(tensor.shape)
    else:
        yield _signed(np.frombuffer(data, np.uint8)).reshape(tensor.shape)


def _grey_bitmap(file: Path, data: bytes, shape: tuple[int, ...]) -> npt.NDArray[np.int8]:
    """The pixels of an uncompressed bitmap of 8 bits a pixel, whose rows go from the bottom up.

    TensorFlow Lite Micro's bitmaps hold the int8 values themselves, not values plus 128.
    """
    start = int.from_bytes(data[10:14], "little")
    width, height, bits = (
        int.from_bytes(data[at : at + length], "little")
        for at, length in ((18, 4), (22, 4), (28, 2))
    )
    if (1, height, width, 1) != shape or bits != 8 or width % 4:
        raise InputError(f"{file}: it is no grey bitmap of {shape[2]} x {shape[1]} pixels")
    pixels = np.frombuffer(data, np.int8, width * height, start).reshape(height, width)
    return pixels[::-1].reshape(shape)


def _signed(values: npt.NDArray[np.uint8]) -> npt.NDArray[np.int8]:
    """x - 128."""
    return (values.astype(np.int16) - 128).astype(np.int8)
