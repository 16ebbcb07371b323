# SPDX-License-Identifier: BSD-2-Clause
"""The committed example: what its README says of it is so."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from celosia.graph.ir import Conv2D, DepthwiseConv2D, FullyConnected
from celosia.graph.statistics import statistics
from celosia.importer import load_tflite

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "digits"
README = (FOLDER / "README.md").read_text(encoding="utf-8")


def test_accuracy_on_held_out_images_is_what_the_readme_says() -> None:
    pytest.importorskip("ai_edge_litert")
    from examples.digits.evaluate import classify

    labels = np.load(FOLDER / "labels.npy")
    digits = classify(FOLDER / "digits.tflite", np.load(FOLDER / "images.npy"))
    right = int(np.sum(digits == labels))
    assert f"**{right} of {len(labels)}, {100 * right / len(labels):.2f} %**" in README
    assert right / len(labels) > 0.97


def test_images_are_the_held_out_ones() -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("autograd")
    from examples.digits.data import load
    from examples.digits.quantize import quantize_images

    training, held_out = load()
    assert np.array_equal(np.load(FOLDER / "images.npy"), quantize_images(held_out.images))
    assert np.array_equal(np.load(FOLDER / "labels.npy"), held_out.labels)
    seen = {image.tobytes() for image in training.images}
    assert not any(image.tobytes() in seen for image in held_out.images)


def test_operators_weights_and_macs() -> None:
    graph = load_tflite(FOLDER / "digits.tflite")
    assert Counter(op.kind for op in graph.ops) == {
        "Conv2D": 3,
        "DepthwiseConv2D": 1,
        "Add": 1,
        "MaxPool2D": 1,
        "AveragePool2D": 1,
        "Reshape": 1,
        "FullyConnected": 1,
        "Softmax": 1,
    }
    weighted = [op for op in graph.ops if isinstance(op, Conv2D | DepthwiseConv2D | FullyConnected)]
    weights = sum(op.weights.size for op in weighted)
    assert f"{weights:,} weights" in README
    assert weights <= 10_000
    convolutions = [op for op in weighted if not isinstance(op, FullyConnected)]
    assert all(len(set(op.weight_scales)) > 1 for op in convolutions)
    macs = sum(figures.macs for figures in statistics(graph))
    assert f"{macs:,} MACs an image" in README
