# SPDX-License-Identifier: BSD-2-Clause
"""Signatures and layouts that several blocks share."""

from __future__ import annotations

from amaranth.hdl import Shape, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..isa import (
    COMPUTE,
    EXTERNAL_ADDRESS_BITS,
    INSTRUCTION_WORDS,
    SEGMENT_BITS,
    SETUP,
    SIGNED,
    Field,
)


def _layout(fields: dict[str, Field]) -> data.FlexibleLayout:
    def shape(field: Field) -> Shape:
        return signed(field.width) if field.name in SIGNED else unsigned(field.width)

    return data.FlexibleLayout(
        32 * INSTRUCTION_WORDS,
        {f.name: data.Field(shape(f), 32 * f.word + f.lsb) for f in fields.values()},
    )


#: The 512 bits of an instruction as CONV, CHAIN, MAX and FILL name them (counts are less one).
COMPUTE_LAYOUT = _layout(COMPUTE)
#: The same bits as SETUP names them.
SETUP_LAYOUT = _layout(SETUP)


def word_address_bits(config: AcceleratorConfig) -> int:
    """Bits of a scratchpad word's address."""
    return config.address_bits - (config.word_bytes.bit_length() - 1)


def has_pipelined_scratchpad(config: AcceleratorConfig) -> bool:
    """Whether the scratchpad is one for a fast clock."""
    return config.free_running and not config.scratch_single_port


def read_latency(config: AcceleratorConfig) -> int:
    """Cycles from a scratchpad's read of a word to its data, at the least.

    Block RAM has a slow output; a register behind it is part of the block.
    """
    if has_pipelined_scratchpad(config):
        return 4
    return 1 if config.scratch_single_port else 2


#: What the array must know of a tap, as it travels with the tap's activations.
TAP_LAYOUT = data.StructLayout(
    {
        "first": 1,  # first tap of a position
        "last": 1,  # last tap of a position
        "line_start": 1,  # the position is the first of its line
        "emit": 1,  # the position emits results
        "advance": 1,  # last position of a group: the next group has weights of its own
        "free": 1,  # the weights are not needed any more
    }
)


class ReadSignature(wiring.Signature):
    """A scratchpad read of one word, seen from the reader.

    ``request`` carries the word's address. Each accepted request is answered in order, after
    ``read_latency`` cycles, by ``valid`` and ``data``, which the reader must take at once. A
    pipelined scratchpad may answer later.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        super().__init__(
            {
                "request": Out(stream.Signature(word_address_bits(config))),
                "valid": In(1),
                "data": In(8 * config.word_bytes),
            }
        )


def write_layout(config: AcceleratorConfig) -> data.StructLayout:
    """A scratchpad write: word address, data, an enable for each byte, and whether it is urgent:
    then it is taken in its cycle; else it goes when the fetch unit leaves the bank alone. Without
    a write ``urgent`` is low."""
    return data.StructLayout(
        {
            "urgent": 1,
            "word": word_address_bits(config),
            "data": 8 * config.word_bytes,
            "enable": config.word_bytes,
        }
    )


def fetch_signature(config: AcceleratorConfig) -> wiring.Signature:
    """A read of ``input_channels`` bytes from any byte address, seen from the reader; the tag
    comes back with the data."""
    request = data.StructLayout({"address": config.address_bits, "tag": TAP_LAYOUT})
    return wiring.Signature(
        {
            "request": Out(stream.Signature(request)),
            "valid": In(1),
            "data": In(8 * config.input_channels),
            "tag": In(TAP_LAYOUT),
        }
    )


class RamWriteSignature(wiring.Signature):
    """Writes one 32-bit unit of a row of a weight or parameter memory, seen from the writer."""

    def __init__(self, depth: int, chunks: int) -> None:
        super().__init__(
            {
                "enable": Out(1),
                "row": Out(range(depth)),
                "chunk": Out(range(chunks)) if chunks > 1 else Out(1),
                "data": Out(32),
            }
        )


class ControlSignature(wiring.Signature):
    """The control port, seen from the host side: a register access completes in a cycle in which
    ``valid`` and ``ready`` are both high; ``read_data`` holds then."""

    def __init__(self) -> None:
        super().__init__(
            {
                "valid": Out(1),
                "ready": In(1),
                "write": Out(1),
                "address": Out(4),
                "write_data": Out(32),
                "read_data": In(32),
            }
        )


class ExternalSignature(wiring.Signature):
    """The port to weights outside, seen from the accelerator: a request for ``units`` 32-bit
    units from byte ``address`` on is followed by that many units, in order."""

    def __init__(self) -> None:
        request = data.StructLayout({"address": EXTERNAL_ADDRESS_BITS, "units": SEGMENT_BITS})
        super().__init__(
            {
                "request": Out(stream.Signature(request)),
                "units": In(stream.Signature(32)),
            }
        )
