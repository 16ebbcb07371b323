# SPDX-License-Identifier: BSD-2-Clause
"""Trains the network on handwritten digits and writes it as an int8 .tflite file.

    python -m examples.digits.train

Writes digits.tflite, images.npy (the held-out images, as the model takes them) and labels.npy
beside this file, or into the folder given with --output. Takes about a minute.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
from autograd import grad
from examples.digits.augment import distort
from examples.digits.data import Split, load
from examples.digits.network import (
    Parameters,
    activations,
    cross_entropy,
    initial_parameters,
)
from examples.digits.quantize import quantize_images, write_model
from rich.progress import track
from threadpoolctl import threadpool_limits

# Chosen on the last 300 of the training images, never on those held out.
SEED = 1
EPOCHS = 60
BATCH = 32
LEARNING_RATE = 6e-3
WEIGHT_DECAY = 1e-4


def train(data: Split, seed: int = SEED, epochs: int = EPOCHS) -> Parameters:
    """Parameters after ``epochs`` with Adam (Kingma, Ba 2015) and a cosine learning rate.

    Each image is distorted anew whenever it is seen.
    """
    random = np.random.default_rng(seed)
    parameters = initial_parameters(random)
    gradient = grad(cross_entropy)
    mean = {name: np.zeros_like(value) for name, value in parameters.items()}
    square = {name: np.zeros_like(value) for name, value in parameters.items()}
    batches = len(data.images) // BATCH
    steps = epochs * batches
    step = 0
    for _ in track(range(epochs), "Training"):
        order = random.permutation(len(data.images))
        for batch in np.array_split(order, batches):
            images = distort(data.images[batch], random)
            slopes = gradient(parameters, images, data.labels[batch])
            # A Python number, as a numpy one would turn all parameters into float64.
            rate = LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
            step += 1
            for name, slope in slopes.items():
                mean[name] += 0.1 * (slope - mean[name])
                square[name] += 0.001 * (slope**2 - square[name])
                direction = mean[name] / (1 - 0.9**step)
                size = np.sqrt(square[name] / (1 - 0.999**step)) + 1e-8
                decay = 0.0 if name.endswith("_bias") else WEIGHT_DECAY
                parameters[name] = parameters[name] - rate * (
                    direction / size + decay * parameters[name]
                )
    return parameters


def accuracy(parameters: Parameters, data: Split) -> float:
    """Share of images whose largest logit is that of their label."""
    logits = activations(parameters, data.images)["logits"]
    return float(np.mean(np.argmax(logits, axis=1) == data.labels))


def main() -> None:
    """Trains, quantizes, writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    arguments = parser.parse_args()

    training, held_out = load()
    # The matrices are so small that a second thread costs more than it brings.
    with threadpool_limits(1):
        parameters = train(training, arguments.seed, arguments.epochs)
    print(f"floating point, training images: {100 * accuracy(parameters, training):.2f} %")
    print(f"floating point, held-out images: {100 * accuracy(parameters, held_out):.2f} %")
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "digits.tflite").write_bytes(write_model(parameters, training.images))
    np.save(arguments.output / "images.npy", quantize_images(held_out.images))
    np.save(arguments.output / "labels.npy", held_out.labels.astype(np.int8))


if __name__ == "__main__":
    main()
