# SPDX-License-Identifier: BSD-2-Clause
"""Runs a model with LiteRT's reference kernels, the arbiter of every byte."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from celosia.errors import InputError, ToolError
from celosia.graph.ir import Array, TensorId


def run_litert(
    model: bytes, inputs: Mapping[TensorId, Array], outputs: list[TensorId]
) -> dict[TensorId, Array]:
    """Tensors of a ``.tflite`` file as LiteRT computes them for one sample.

    Args:
        model: the file's bytes.
        inputs: arrays of exactly the inputs' shapes and types, by the file's tensor numbers.
        outputs: tensors wanted, intermediate ones too.

    Raises:
        ToolError: LiteRT is not installed.
        InputError: LiteRT refuses the model or an input.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError:
        raise ToolError(
            "LiteRT is not installed; install it with: pip install 'celosia[reference]'"
        ) from None
    try:
        interpreter = Interpreter(
            model_content=model,
            # The default resolver's kernels round differently.
            experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
            # Else buffers of intermediate tensors are used again.
            experimental_preserve_all_tensors=True,
        )
        interpreter.allocate_tensors()
        for number, array in inputs.items():
            interpreter.set_tensor(number, array)
        interpreter.invoke()
        return {number: np.asarray(interpreter.get_tensor(number)) for number in outputs}
    except (RuntimeError, ValueError) as error:
        raise InputError(f"LiteRT refuses the model or its input: {error}") from None
