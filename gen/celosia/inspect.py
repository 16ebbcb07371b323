# SPDX-License-Identifier: BSD-2-Clause
"""Tells what is in a model file, whether it is supported, and what its operations cost."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from celosia.errors import ModelError, Problem
from celosia.fits import fits
from celosia.graph.ir import Graph
from celosia.graph.statistics import OpStatistics, statistics
from celosia.importer import load_tflite
from celosia.importer.container import UnreadableFileError, read_tflite
from celosia.importer.flatbuffer import CorruptFileError
from celosia.importer.modelfile import FileOperator, FileTensor, ModelFile
from celosia.passes import optimize

#: What types JSON has.
Record: TypeAlias = dict[str, Any]


def inspect(
    model: Path | str, *, progress: Callable[[str, float, float, str], None] | None = None
) -> Record:
    """A report on a ``.tflite`` file, in types that JSON has.

    ============== ==============================================================================
    model          name of the file without its suffix
    bytes, sha256  of the file
    supported      whether all of it is
    problems       what is not: operator_index, operator, tensor (each may be None), reason, remedy
    inputs         name, shape, type, scale and zero_point (None if not quantized) of each
    outputs        the same
    operators      index, op (the schema's name), inputs (computed ones) and output as above; macs,
                   weights, zero_weights, channels and dead_channels, 0 where there are none and
                   None in an unsupported model
    total          macs, weights, zero_weights and dead_channels of the model; None if unsupported
    optimized      the same of the graph after the passes, with its number of operations
    boards         whether it fits each board, and predicted cycles: see ``celosia.fits``; None if
                   unsupported
    ============== ==============================================================================

    MACs include those on padding. A dead channel has no weight but 0; the passes remove it. The
    passes may also turn one operation into another that is cheaper or more expensive in itself.
    ``progress`` is called as ``fits`` calls it.

    Raises:
        ModelError: the file cannot be read or is so damaged that its operators cannot be listed.
    """
    path = Path(model)
    try:
        data = read_tflite(path)
        file = ModelFile(data)
        record = _contents(file)
    except UnreadableFileError as error:
        raise ModelError.of_file(str(model), [error.problem]) from None
    except CorruptFileError as error:
        load_tflite(path)  # in most cases finds this too, and more that can be said
        corrupt = Problem(f"the file is corrupt: {error}", "download or convert the model again")
        raise ModelError.of_file(str(model), [corrupt]) from None
    record = {
        "model": path.stem,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        **record,
    }
    try:
        graph = load_tflite(path)
        optimized = optimize(graph)
    except ModelError as error:
        problems = error.problems or (Problem(str(error), "see the message"),)
        return record | {
            "supported": False,
            "problems": [_problem(problem) for problem in problems],
            "total": None,
            "optimized": None,
            "boards": None,
        }
    for operator, figures in zip(record["operators"], statistics(graph), strict=True):
        operator.update(_figures(figures))
    return record | {
        "supported": True,
        "problems": [],
        "total": _total(graph),
        "optimized": {"operations": len(optimized.ops), **_total(optimized)},
        "boards": fits(optimized, progress),
    }


def _contents(file: ModelFile) -> Record:
    return {
        "inputs": [_tensor(file.tensor(index)) for index in file.inputs if index >= 0],
        "outputs": [_tensor(file.tensor(index)) for index in file.outputs if index >= 0],
        "operators": [_operator(file, operator) for operator in file.operators],
    }


def _tensor(tensor: FileTensor) -> Record:
    scales = tensor.quantization.scales.tolist() if tensor.quantization else []
    zero_points = tensor.quantization.zero_points.tolist() if tensor.quantization else []
    # A damaged file may have any number here; JSON has no infinity.
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "type": tensor.type_name.lower(),
        "scale": scales[0] if len(scales) == 1 and math.isfinite(scales[0]) else None,
        "zero_point": zero_points[0] if len(zero_points) == 1 else None,
    }


def _operator(file: ModelFile, operator: FileOperator) -> Record:
    read = [file.tensor(index) for index in operator.inputs if index >= 0]
    written = [file.tensor(index) for index in operator.outputs if index >= 0]
    return {
        "index": operator.index,
        "op": operator.name,
        "inputs": [_tensor(tensor) for tensor in read if tensor.data is None],
        "output": _tensor(written[0]) if written else None,
        **dict.fromkeys(("macs", "weights", "zero_weights", "channels", "dead_channels")),
    }


def _figures(figures: OpStatistics) -> Record:
    return {
        "macs": figures.macs,
        "weights": figures.weight_bytes,
        "zero_weights": figures.zero_weights,
        "channels": figures.channels,
        "dead_channels": figures.dead_channels,
    }


def _total(graph: Graph) -> Record:
    parts = [_figures(figures) for figures in statistics(graph)]
    names = ("macs", "weights", "zero_weights", "dead_channels")
    return {name: sum(part[name] for part in parts) for name in names}


def _problem(problem: Problem) -> Record:
    return {
        "operator_index": problem.operator_index,
        "operator": problem.operator,
        "tensor": problem.tensor,
        "reason": problem.reason,
        "remedy": problem.remedy,
    }
