# SPDX-License-Identifier: BSD-2-Clause
"""Random configurations with random models that fill them, reproducible by seed.

A case's configuration is any that is valid, or one that sizing returns for a board; its memories
are just as large as its first model needs, or rings that this wraps around in, or larger.
``run_case`` runs its models on the Verilog, against the integer reference.
"""

from .draw import Case, Model, random_case
from .run import Difference, run_case
from .sized import SizedShape, sized_shapes

__all__ = [
    "Case",
    "Difference",
    "Model",
    "SizedShape",
    "random_case",
    "run_case",
    "sized_shapes",
]
