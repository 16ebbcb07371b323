# SPDX-License-Identifier: BSD-2-Clause
"""Executes a quantized graph in NumPy, bit for bit as TensorFlow Lite's reference kernels do."""

from celosia_sim.reference.executor import run, run_from

__all__ = ["run", "run_from"]
