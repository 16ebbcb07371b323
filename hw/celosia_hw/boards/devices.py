# SPDX-License-Identifier: BSD-2-Clause
"""Devices: the logic, multipliers and memories of an FPGA, as the open tools see it.

Sources: Lattice FPGA-DS-02008 (iCE40 UltraPlus) and FPGA-DS-02012 (ECP5, ECP5-5G). The LFE5U-12F is
the die of the LFE5U-25F, and the open tools use all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class MemoryKind(Enum):
    """What a memory block is: its primitive."""

    #: iCE40 UltraPlus SB_SPRAM256KA: one port that reads or writes; no initial content.
    SPRAM = "SPRAM"
    #: iCE40 SB_RAM40_4K: one read port and one write port.
    EBR = "EBR"
    #: ECP5 DP16KD: two ports, each of which reads or writes.
    DP16KD = "DP16KD"


@dataclass(frozen=True)
class Memory:
    """All blocks of one kind.

    Attributes:
        kind: the primitive.
        blocks: how many there are.
        depth: words of one block at the widest shape in which each port can do its own access.
        width: bits of a word in that shape.
        byte_bits: bits that a byte occupies: 9 where a parity bit lies beside each.
    """

    kind: MemoryKind
    blocks: int
    depth: int
    width: int
    byte_bits: int = 8

    @property
    def block_bytes(self) -> int:
        """Bytes of 8 bits that one block holds."""
        return self.depth * (self.width // self.byte_bits)

    @property
    def bytes(self) -> int:
        """Bytes of 8 bits that all blocks hold."""
        return self.blocks * self.block_bytes

    @property
    def single_port(self) -> bool:
        """Whether a block does one access a cycle only."""
        return self.kind is MemoryKind.SPRAM


@dataclass(frozen=True)
class Device:
    """An FPGA.

    Attributes:
        name: what the vendor calls it, without speed grade and package.
        family: ``ice40`` or ``ecp5``.
        luts: 4-input look-up tables, each with a flip-flop.
        multipliers: DSP multipliers: SB_MAC16 on iCE40, MULT18X18D on ECP5.
        memories: memory blocks by kind, each kind once.
    """

    name: str
    family: str
    luts: int
    multipliers: int
    memories: tuple[Memory, ...]


ICE40_UP5K = Device(
    name="iCE40UP5K",
    family="ice40",
    luts=5280,
    multipliers=8,
    memories=(
        Memory(MemoryKind.SPRAM, blocks=4, depth=16384, width=16),
        Memory(MemoryKind.EBR, blocks=30, depth=256, width=16),
    ),
)


def _ecp5(name: str, *, luts: int, blocks: int, multipliers: int) -> Device:
    memory = Memory(MemoryKind.DP16KD, blocks=blocks, depth=1024, width=18, byte_bits=9)
    return Device(name, "ecp5", luts, multipliers, (memory,))


LFE5U_12F = _ecp5("LFE5U-12F", luts=24288, blocks=56, multipliers=28)
LFE5U_25F = _ecp5("LFE5U-25F", luts=24288, blocks=56, multipliers=28)
LFE5U_45F = _ecp5("LFE5U-45F", luts=43848, blocks=108, multipliers=72)
LFE5U_85F = _ecp5("LFE5U-85F", luts=83640, blocks=208, multipliers=156)
LFE5UM5G_45F = _ecp5("LFE5UM5G-45F", luts=43848, blocks=108, multipliers=72)
LFE5UM5G_85F = _ecp5("LFE5UM5G-85F", luts=83640, blocks=208, multipliers=156)

#: Clocks in MHz that designs with these arrays reach with some room on an ECP5 of the slowest speed
#: grade (docs/performance.md).
ECP5_CLOCKS = {(8, 4): 100, (8, 8): 85, (8, 16): 100}
