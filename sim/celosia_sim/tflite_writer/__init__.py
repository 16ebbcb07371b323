# SPDX-License-Identifier: BSD-2-Clause
"""Writes int8 ``.tflite`` files: the models that tests and experiments need.

>>> builder = ModelBuilder()
>>> image = builder.input("image", (1, 8, 8, 3), per_tensor(0.5, -3))
>>> pooled = builder.max_pool_2d(image, window=(2, 2), stride=(2, 2), padding="VALID")
>>> builder.output(pooled)
>>> data = builder.build()
"""

from celosia_sim.tflite_writer.builder import ModelBuilder
from celosia_sim.tflite_writer.core import FILE_ACTIVATIONS, Options, per_channel, per_tensor
from celosia_sim.tflite_writer.shapes import PaddingName

__all__ = [
    "FILE_ACTIVATIONS",
    "ModelBuilder",
    "Options",
    "PaddingName",
    "per_channel",
    "per_tensor",
]
