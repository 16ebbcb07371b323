# SPDX-License-Identifier: BSD-2-Clause
"""Random int8 models, reproducible by seed: operators alone and small networks.

They reach what trained models rarely do: strides, dilations, odd sizes, asymmetric padding, depth
multipliers, one scale or one for each channel, extreme scales and zero points, exact ties, weights
that are all zero or all extreme, biases that saturate, every activation. All of them are valid:
LiteRT's reference kernels run them, without what the kernels leave undefined.

``size`` bounds them: no operator needs more than 16,000 * size products, no activation has more
than 1,500 * size elements, and a network has at most six layers (a residual, which is a convolution
and an addition, counting as one) and a softmax.
"""

from celosia_sim.random_models.additions import (
    Addition,
    addition_model,
    fraction_addition,
    random_addition,
    split_addition,
)
from celosia_sim.random_models.graphs import (
    OPERATORS,
    random_graph,
    random_model,
    random_operator,
)
from celosia_sim.random_models.inputs import random_inputs

__all__ = [
    "OPERATORS",
    "Addition",
    "addition_model",
    "fraction_addition",
    "random_addition",
    "random_graph",
    "random_inputs",
    "random_model",
    "random_operator",
    "split_addition",
]
