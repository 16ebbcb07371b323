# SPDX-License-Identifier: BSD-2-Clause
"""Memory blocks of a device that a configuration takes."""

from __future__ import annotations

from celosia_hw.boards import Memory, MemoryKind
from celosia_hw.config import AcceleratorConfig

#: Shapes (words, bytes) of a block with one read and one write port, bytes written separately.
_SHAPES = {
    MemoryKind.DP16KD: ((512, 4), (1024, 2), (2048, 1)),
    MemoryKind.EBR: ((256, 2), (512, 1)),
    MemoryKind.SPRAM: ((16384, 2),),
}
#: Entries of a table of the second pass, 4 bytes each; each requantizer lane has two.
_TABLE_WORDS = 256
#: Flags that travel with the activations of a tap.
_TAG_BITS = 6


def blocks(kind: MemoryKind, depth: int, width: int) -> int:
    """Blocks of a memory of ``depth`` words of ``width`` bytes."""
    return min(-(-depth // words) * -(-width // size) for words, size in _SHAPES[kind])


def scratch_blocks(kind: MemoryKind, config: AcceleratorConfig) -> int:
    """Blocks of both banks of the scratchpad."""
    word = config.word_bytes
    return 2 * blocks(kind, config.scratch_bytes // (2 * word), word)


def weight_blocks(kind: MemoryKind, config: AcceleratorConfig) -> int:
    return config.weight_chunks * blocks(kind, config.weight_depth, 4)


def parameter_blocks(kind: MemoryKind, config: AcceleratorConfig) -> int:
    return config.parameter_chunks * blocks(kind, config.parameter_depth, 4)


def fixed_blocks(kind: MemoryKind, config: AcceleratorConfig) -> int:
    """Blocks that no parameter of the memories changes: those of the tables."""
    return 2 * config.requantize_lanes * blocks(kind, _TABLE_WORDS, 4)


def ebr_blocks(config: AcceleratorConfig) -> int:
    """EBR blocks of a configuration whose activations are in SPRAM: of all memories, and of the
    queue and the delay lines, which are made of blocks as well."""
    kind = MemoryKind.EBR
    lanes = config.requantize_lanes
    tap = 8 * config.input_channels + _TAG_BITS
    where = config.address_bits + lanes.bit_length()
    return (
        weight_blocks(kind, config)
        + parameter_blocks(kind, config)
        + fixed_blocks(kind, config)
        + sum(-(-bits // 16) for bits in (tap, where, 8 * lanes))
    )


def memory_of(memories: tuple[Memory, ...], *kinds: MemoryKind) -> Memory:
    """The first of ``kinds`` that a device has."""
    return next(m for kind in kinds for m in memories if m.kind is kind)
