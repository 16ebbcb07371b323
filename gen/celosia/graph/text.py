# SPDX-License-Identifier: BSD-2-Clause
"""A graph as text: stable, readable, and different wherever the graph is.

Constants appear as their type, shape and the first digits of a hash; short sequences of numbers
appear in full.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from enum import Enum
from typing import Any

import numpy as np

from celosia.graph.ir import DType, Graph, Op, Quantization, Tensor, TensorId

_HASH_DIGITS = 12
#: Longer sequences appear as a hash.
_SEQUENCE_SHOWN = 8


def to_text(graph: Graph) -> str:
    """All of ``graph``: its name, ends, tensors, and operations with their attributes.

    An operation takes one line for what it reads and computes, and one for each attribute that
    its class has, in the order of the class.
    """
    lines = [f"graph {json.dumps(graph.name, ensure_ascii=False)}"]
    lines += [f"input {_tensor(graph, index)}" for index in graph.inputs]
    lines += [
        f"constant {_tensor(graph, index)}"
        for index, tensor in sorted(graph.tensors.items())
        if tensor.data is not None
    ]
    for op in graph.ops:
        lines.append("")
        lines += _operation(graph, op)
    lines.append("")
    lines += [f"output %{index}" for index in graph.outputs]
    return "\n".join(lines) + "\n"


def _operation(graph: Graph, op: Op) -> Iterator[str]:
    reads = ", ".join(f"%{index}" for index in op.inputs)
    yield f"{op.index}: {op.kind}({reads})"
    yield f"    -> {_tensor(graph, op.output)}"
    for field in dataclasses.fields(op):
        if field.name in ("index", "inputs", "output"):
            continue
        yield f"    {field.name} {_value(getattr(op, field.name))}"


def _tensor(graph: Graph, index: TensorId) -> str:
    tensor = graph.tensors.get(index)
    if tensor is None:
        return f"%{index} missing"
    return f"%{index} {_described(tensor)}"


def _described(tensor: Tensor) -> str:
    parts = [_type(tensor.dtype.value, tensor.shape)]
    if tensor.quantization is not None:
        parts.append(_quantization(tensor.quantization))
    if tensor.data is not None:
        parts.append(_hash(tensor.data.tobytes()))
    parts.append(json.dumps(tensor.name, ensure_ascii=False))
    return " ".join(parts)


def _type(dtype: str, shape: tuple[int, ...]) -> str:
    return f"{dtype}[{', '.join(map(str, shape))}]"


def _quantization(quantization: Quantization) -> str:
    text = f"scale {_value(quantization.scales)} zero {_value(quantization.zero_points)}"
    return text + (f" axis {quantization.axis}" if quantization.per_channel else "")


def _value(value: Any) -> str:
    """An attribute, so that equal texts mean equal values."""
    if isinstance(value, Quantization):
        return f"({_quantization(value)})"
    if isinstance(value, np.ndarray):
        # Little endian whatever the machine, and independent of the array's layout in memory.
        raw = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<")).tobytes()
        return f"{_type(value.dtype.name, value.shape)} {_hash(raw)}"
    if isinstance(value, DType | Enum):
        return str(value.value)
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, list | tuple):
        if len(value) == 1:
            return _value(value[0])
        shown = ", ".join(_value(item) for item in value)
        if len(value) > _SEQUENCE_SHOWN:
            return f"{len(value)} values {_hash(shown.encode())}"
        return f"({shown})"
    if dataclasses.is_dataclass(value):
        pairs = (f"{f.name} {_value(getattr(value, f.name))}" for f in dataclasses.fields(value))
        return f"{type(value).__name__}({', '.join(pairs)})"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _float(value: float) -> str:
    """The shortest digits that give the number back: as float32 where it is one."""
    with np.errstate(over="ignore"):
        single = np.float32(value)
    return str(single) if float(single) == value else f"{value!r}d"


def _hash(raw: bytes) -> str:
    return "#" + hashlib.sha256(raw).hexdigest()[:_HASH_DIGITS]
