# SPDX-License-Identifier: BSD-2-Clause
"""The public class: all operator methods on one builder."""

from celosia_sim.tflite_writer.elementwise import ElementwiseOperators
from celosia_sim.tflite_writer.images import ImageOperators
from celosia_sim.tflite_writer.layout import LayoutOperators
from celosia_sim.tflite_writer.weighted import WeightedOperators


class ModelBuilder(WeightedOperators, ImageOperators, ElementwiseOperators, LayoutOperators):
    """Builds a ``.tflite`` file with one subgraph.

    Tensors come from ``input``, ``constant`` and ``tensor``; each operator method appends its
    operator in execution order, creates the output tensor with the shape that TensorFlow Lite will
    infer, and returns its number. ``output`` names the results; ``build`` returns the file.
    ``operator`` is the way around all of that, for files with something unusual in them.

    Output quantizations may be omitted where the operator demands the input's own.
    Arguments are not checked for sense: the writer also makes files that a reader must refuse.
    """
