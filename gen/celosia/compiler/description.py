# SPDX-License-Identifier: BSD-2-Clause
"""The JSON part of an image: its types and their limits, and the checks of what was read.

An image may come from anywhere, with a checksum that says nothing of who made it. What these types
and ``check`` let through, all that reads an image can use without looking at it again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, NotRequired, TypedDict

import msgspec
from msgspec import Meta

from celosia.arithmetic.softmax import softmax_parameters
from celosia.errors import ModelError
from celosia.records import convert
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import INSTRUCTION_BYTES, Opcode

MAX_RANK = 6
#: The largest number of float32.
_FLOAT_MAX = (2 - 2**-23) * 2.0**127

_Number = Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]
_Size = Annotated[int, Meta(ge=1, le=(1 << 32) - 1)]
_Layer = Annotated[int, Meta(ge=-1, le=(1 << 32) - 1)]
#: What may be more than a register holds: work and time.
_Count = Annotated[int, Meta(ge=0, le=1 << 53)]
_Scale = Annotated[float, Meta(ge=2.0**-149, le=_FLOAT_MAX)]
_ZeroPoint = Annotated[int, Meta(ge=-128, le=255)]
_Real = Annotated[float, Meta(ge=-_FLOAT_MAX, le=_FLOAT_MAX)]

#: What an element of 8 bits can be.
_LIMITS = {"int8": (-128, 127), "uint8": (0, 255)}
_FLOAT, _BYTE = "float32", "8 bits"
#: The operations of a host, and what they make of what.
_TYPES = {
    "Quantize": {(_FLOAT, _BYTE)},
    "Dequantize": {(_BYTE, _FLOAT)},
    "Softmax": {(_BYTE, _BYTE)},
    "Reshape": {(_BYTE, _BYTE), (_FLOAT, _FLOAT)},
}


@dataclass(frozen=True)
class TensorPort:
    """An 8-bit tensor in the scratchpad: element (i, j, ...) is the byte at
    ``address + i*strides[0] + j*strides[1] + ...``. ``tensor`` is its identifier in the graph,
    ``real = scale * (value - zero_point)``."""

    name: str
    tensor: _Number
    dtype: str
    shape: Annotated[tuple[_Size, ...], Meta(max_length=MAX_RANK)]
    address: _Number
    strides: Annotated[tuple[_Number, ...], Meta(max_length=MAX_RANK)]
    scale: _Scale
    zero_point: _ZeroPoint


@dataclass(frozen=True)
class InstructionInfo:
    """``layer`` is an index of ``Image.layers``, -1 for what belongs to none."""

    opcode: str
    layer: _Layer
    cycles: _Count


@dataclass(frozen=True)
class LayerInfo:
    """An operation of the graph: instructions ``first`` to ``last``, both included.

    ``index`` is the operator's number in the model file. ``output`` is where its result lies once
    instruction ``last`` is complete, None if that has no place of its own. ``macs`` are the
    multiplications that the model asks for, ``cycles`` what the cycle model predicts.
    """

    name: str
    op: str
    index: _Number
    macs: _Count
    cycles: _Count
    first: _Number
    last: _Number
    output: TensorPort | None


class HostTensor(TypedDict):
    """A tensor that an operation of the host reads or computes; ``scale`` and ``zero_point`` as for
    ``TensorPort``, absent if it is float32."""

    name: str
    tensor: _Number
    dtype: str
    #: A tensor of the host has no place; this is what numpy's arrays have at most.
    shape: Annotated[list[_Size], Meta(max_length=32)]
    scale: NotRequired[_Scale]
    zero_point: NotRequired[_ZeroPoint]


@dataclass(frozen=True)
class HostOp:
    """An operation that the host does, before (Quantize) or after the run."""

    op: str
    index: _Number
    input: HostTensor
    output: HostTensor
    attributes: dict[str, _Real] = field(default_factory=dict)


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON part; ``inputs`` and ``outputs`` are name, tensor and type of those in the binary
    part."""

    model: str
    config: dict[str, Any]
    inputs: list[tuple[str, _Number, str]]
    outputs: list[tuple[str, _Number, str]]
    instructions: Annotated[list[tuple[str, _Layer, _Count]], Meta(min_length=1)]
    layers: tuple[LayerInfo, ...]
    host: tuple[HostOp, ...]
    graph_inputs: tuple[str, ...]
    graph_outputs: tuple[str, ...]
    usage: dict[str, _Count]
    external_rate: Annotated[float, Meta(ge=2.0**-32, le=2.0**32)]


def make_port(**values: object) -> TensorPort:
    """A port whose parts lie within their limits.

    Raises:
        ValueError: one does not.
    """
    return convert(values, TensorPort)


def check_port(port: TensorPort, config: AcceleratorConfig) -> None:
    """Raises ValueError unless the tensor can be and its elements are bytes of the scratchpad, each
    of them another."""
    _check_quantization(port.name, port.dtype, port.zero_point)
    if len(port.strides) != len(port.shape):
        raise ValueError(f"tensor {port.name!r} has not a stride for each dimension")
    span = 1
    for stride, size in sorted(zip(port.strides, port.shape, strict=True)):
        if size > 1 and stride < span:
            raise ValueError(f"tensor {port.name!r} has elements that lie in each other's place")
        span += (size - 1) * stride
    if port.address + span > config.scratch_bytes:
        raise ValueError(f"tensor {port.name!r} does not lie within the scratchpad")


def check_program(
    config: AcceleratorConfig,
    instructions: Sequence[InstructionInfo],
    layers: Sequence[LayerInfo],
    *,
    entry: int,
    profile_base: int,
) -> None:
    """Raises ValueError unless instructions and cycle counters lie in the scratchpad, and
    instructions and layers name each other within bounds."""
    count = len(instructions)
    for base, length, what in (
        (entry, INSTRUCTION_BYTES * count, "program"),
        # END has no counter.
        (profile_base, 4 * (count - 1), "cycle counters"),
    ):
        if base % 4 or base + length > config.scratch_bytes:
            raise ValueError(f"the {what} at {base} does not lie within the scratchpad")
    for number, info in enumerate(instructions):
        if info.opcode not in Opcode.__members__:
            raise ValueError(f"instruction {number} has the unknown name {info.opcode!r}")
        if info.layer >= len(layers):
            raise ValueError(f"instruction {number} is of layer {info.layer}, of {len(layers)}")
    for layer in layers:
        if not layer.first <= layer.last < count - 1:
            raise ValueError(
                f"layer {layer.name!r} has the instructions {layer.first} to {layer.last}, of "
                f"{count}"
            )
        if layer.output is not None:
            check_port(layer.output, config)


def check_host(ports: Sequence[TensorPort], host: Sequence[HostOp]) -> None:
    """Raises ValueError unless the host can do its operations, and each tensor is the same wherever
    it is described."""
    known = {port.tensor: _port_facts(port) for port in ports}
    for op in host:
        for tensor in (op.input, op.output):
            facts = _host_facts(tensor)
            if known.setdefault(tensor["tensor"], facts) != facts:
                raise ValueError(f"tensor {tensor['name']!r} is described in different ways")
        _check_operation(op)


def _check_operation(op: HostOp) -> None:
    where = f"the host's operation {op.index} ({op.op})"
    if op.op not in _TYPES:
        raise ValueError(f"{where} is unknown to this version of Celosia")
    types = (op.input["dtype"], op.output["dtype"])
    if tuple(t if t == _FLOAT else _BYTE for t in types) not in _TYPES[op.op]:
        raise ValueError(f"{where} makes {types[1]} of {types[0]}")
    shapes = (op.input["shape"], op.output["shape"])
    same = math.prod(shapes[0]) == math.prod(shapes[1])
    if not (same if op.op == "Reshape" else shapes[0] == shapes[1]):
        raise ValueError(f"{where} makes the shape {shapes[1]} of {shapes[0]}")
    if op.op == "Softmax":
        if not shapes[0] or set(op.attributes) != {"beta"}:
            raise ValueError(f"{where} has no dimension or no beta")
        try:
            softmax_parameters(op.input["scale"], op.attributes["beta"])
        except ModelError as error:
            raise ValueError(str(error)) from None


def _check_quantization(name: str, dtype: str, zero_point: int) -> None:
    if dtype not in _LIMITS:
        raise ValueError(f"tensor {name!r} has the type {dtype!r} instead of one of 8 bits")
    low, high = _LIMITS[dtype]
    if not low <= zero_point <= high:
        raise ValueError(f"tensor {name!r} has a zero point of {zero_point}, which {dtype} has not")


def _port_facts(port: TensorPort) -> tuple[object, ...]:
    return port.name, port.dtype, port.shape, port.scale, port.zero_point


def _host_facts(tensor: HostTensor) -> tuple[object, ...]:
    scale, zero_point = tensor.get("scale"), tensor.get("zero_point")
    if tensor["dtype"] != _FLOAT:
        if scale is None or zero_point is None:
            raise ValueError(f"tensor {tensor['name']!r} has no scale or no zero point")
        _check_quantization(tensor["name"], tensor["dtype"], zero_point)
    elif scale is not None or zero_point is not None:
        raise ValueError(f"tensor {tensor['name']!r} is float32 and has a scale")
    return tensor["name"], tensor["dtype"], tuple(tensor["shape"]), scale, zero_point
