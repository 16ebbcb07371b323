# SPDX-License-Identifier: BSD-2-Clause
"""A memory of any size out of memory blocks."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Array, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from . import dp16kd, ebr, family
from .dp16kd import Dp16kd
from .ebr import Ebr


@dataclass(frozen=True)
class BlockShape:
    """One way to use a memory block: ``depth`` words of ``lanes`` lanes, each with a write enable
    of its own, of ``lane_bits`` bits."""

    depth: int
    lanes: int
    lane_bits: int


#: All ways to use a block of each family, widest first.
SHAPES = {
    "ice40": tuple(
        BlockShape(ebr.BITS // width, width if width == 16 else 1, 1 if width == 16 else width)
        for width in (16, 8, 4, 2)
    ),
    "ecp5": tuple(
        BlockShape(depth, max(1, width // 9), min(9, width))
        for width, depth in sorted(dp16kd.DEPTHS.items(), reverse=True)
    ),
}


@dataclass(frozen=True)
class Tiling:
    """Which blocks make a memory: ``rows`` times ``columns`` of ``shape``.

    A granule fills lanes of its own, the lowest first; granule g starts at lane
    ``g * granule_lanes``, counted through the columns.
    """

    shape: BlockShape
    rows: int
    columns: int
    granule_lanes: int

    @property
    def blocks(self) -> int:
        return self.rows * self.columns


def tiling(family: str, *, depth: int, width: int, granularity: int) -> Tiling:
    """The tiling with the fewest blocks; of these with the fewest rows, which need multiplexers.

    ``family`` is one of ``celosia_hw.primitives.FAMILIES``.
    """
    found = []
    for shape in SHAPES[family]:
        granule_lanes = -(-granularity // shape.lane_bits)
        lanes = width // granularity * granule_lanes
        found.append(
            Tiling(shape, -(-depth // shape.depth), -(-lanes // shape.lanes), granule_lanes)
        )
    return min(found, key=lambda tiling: (tiling.blocks, tiling.rows))


class BlockRam(wiring.Component):
    """``depth`` words of ``width`` bits, one write port and one read port.

    ``write_enable`` has a bit for each granule of ``granularity`` bits (by default the word). The
    word at ``read_address`` is on ``read_data`` one cycle after ``read_enable``, and stays until
    the next. With ``output_register`` there is one more register behind it, which takes the word in
    each cycle with ``output_enable``: left alone, it is high, and words appear after two
    cycles, and stay until the next; a pipeline that stops keeps it low with ``read_enable``.

    A granule that is written in the cycle of its read must not be used, nor words at addresses
    from ``depth`` on. Contents are unknown at the start. One access of each kind a cycle.

    On iCE40 and ECP5 it consists of the blocks of ``tiling``; that a colliding read may give
    anything spares the comparators and registers by which synthesis makes it give the old word.

    Raises:
        ValueError: ``depth`` is below 2, or ``granularity`` does not divide ``width``.
    """

    def __init__(
        self,
        *,
        depth: int,
        width: int,
        granularity: int | None = None,
        output_register: bool = False,
    ) -> None:
        granularity = width if granularity is None else granularity
        if depth < 2:
            raise ValueError(f"depth must be 2 or more, not {depth!r}")
        if granularity < 1 or width < 1 or width % granularity:
            raise ValueError(f"granularity must divide width, {width!r}, not be {granularity!r}")
        self.depth = depth
        self.width = width
        self.granularity = granularity
        self.output_register = output_register
        ports = {
            "write_enable": In(width // granularity),
            "write_address": In(range(depth)),
            "write_data": In(width),
            "read_enable": In(1),
            "read_address": In(range(depth)),
            "read_data": Out(width),
        }
        if output_register:
            ports["output_enable"] = In(1, init=1)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        technology = family(platform)
        return self._twin() if technology is None else self._blocks(technology)

    def _twin(self) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=self.width, depth=self.depth, init=[])
        write_port = memory.write_port(granularity=self.granularity)
        read_port = memory.read_port()
        m.d.comb += [
            write_port.en.eq(self.write_enable),
            write_port.addr.eq(self.write_address),
            write_port.data.eq(self.write_data),
            read_port.en.eq(self.read_enable),
            read_port.addr.eq(self.read_address),
            self.read_data.eq(self._registered(m, read_port.data)),
        ]
        return m

    def _registered(self, m: Module, value: Value) -> Value:
        """``value`` behind the output register, if there is one."""
        if not self.output_register:
            return value
        register = Signal(len(value), reset_less=True)
        with m.If(self.output_enable):
            m.d.sync += register.eq(value)
        return register

    def _blocks(self, technology: str) -> Module:
        m = Module()
        plan = tiling(technology, depth=self.depth, width=self.width, granularity=self.granularity)
        row_bits = plan.shape.depth.bit_length() - 1
        write_row, read_row = self.write_address[row_bits:], self.read_address[row_bits:]
        words = []
        for row in range(plan.rows):
            word = Signal(self.width, name=f"row{row}_data")
            writes = Signal(len(self.write_enable), name=f"row{row}_write_enable")
            m.d.comb += writes.eq(Mux(write_row == row, self.write_enable, 0))
            for column in range(plan.columns):
                block = self._block(m, technology, plan.shape.lanes * plan.shape.lane_bits)
                m.submodules[f"row{row}_block{column}"] = block
                m.d.comb += [
                    block.write_address.eq(self.write_address[:row_bits]),
                    block.read_address.eq(self.read_address[:row_bits]),
                    # All rows read: to choose one here costs more logic than to choose its word.
                    block.read_enable.eq(self.read_enable),
                ]
                self._connect_lanes(m, plan, column, block, writes, word)
            words.append(word)
        inside = technology == "ecp5"  # whose blocks have the output register
        chosen = words[0]
        if plan.rows > 1:
            shown = Signal.like(read_row, reset_less=True, name="shown_row")
            with m.If(self.read_enable):
                m.d.sync += shown.eq(read_row)
            chosen = Array(words)[self._registered(m, shown) if inside else shown]
        m.d.comb += self.read_data.eq(chosen if inside else self._registered(m, chosen))
        return m

    def _block(self, m: Module, technology: str, width: int) -> Ebr | Dp16kd:
        if technology == "ice40":
            return Ebr(width=width)
        block = Dp16kd(width=width, output_register=self.output_register)
        if self.output_register:
            m.d.comb += block.output_enable.eq(self.output_enable)
        return block

    def _connect_lanes(
        self,
        m: Module,
        plan: Tiling,
        column: int,
        block: Ebr | Dp16kd,
        writes: Value,
        word: Value,
    ) -> None:
        """Connects data and write enables of one column's block."""
        shape = plan.shape
        granules = set()
        for lane in range(shape.lanes):
            granule, part = divmod(column * shape.lanes + lane, plan.granule_lanes)
            if granule >= len(writes):
                break
            granules.add(granule)
            low = part * shape.lane_bits
            bits = min(shape.lane_bits, self.granularity - low)
            inner = slice(lane * shape.lane_bits, lane * shape.lane_bits + bits)
            outer = slice(granule * self.granularity + low, granule * self.granularity + low + bits)
            m.d.comb += [
                block.write_data[inner].eq(self.write_data[outer]),
                word[outer].eq(block.read_data[inner]),
            ]
            if isinstance(block, Dp16kd):
                m.d.comb += block.write_enable[lane].eq(writes[granule])
            elif block.width == 16:
                m.d.comb += block.write_mask[lane].eq(writes[granule])
        if isinstance(block, Ebr):
            # The mask alone decides where granules share a block.
            shared = len(granules) > 1
            m.d.comb += block.write_enable.eq(1 if shared else writes[min(granules)])
            if block.width == 16 and not shared:
                m.d.comb += block.write_mask.eq(-1)
