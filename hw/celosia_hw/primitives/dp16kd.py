# SPDX-License-Identifier: BSD-2-Clause
"""One 18 kbit memory block of ECP5, with one write port and one read port."""

from __future__ import annotations

from amaranth.hdl import ClockSignal, Const, Instance, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from . import family

#: Words of one block, by their width.
DEPTHS = {1: 16384, 2: 8192, 4: 4096, 9: 2048, 18: 1024, 36: 512}
_ADDRESS_BITS = 14
_PORT_BITS = 18


class Dp16kd(wiring.Component):
    """``DEPTHS[width]`` words of ``width`` bits, one write port and one read port.

    The word at ``read_address`` is on ``read_data`` one cycle after ``read_enable``, and stays
    until the next. With ``output_register`` there is one more register behind it, which takes the
    word in each cycle with ``output_enable``. ``write_enable`` has a bit for each 9 bits of a word
    of 18 or 36, else one. A word that is written in the cycle of its read must not be used. One
    access of each kind a cycle. On ECP5 it is one DP16KD (Lattice FPGA-TN-02204, ECP5 and
    ECP5-5G Memory Usage Guide), of which port A writes and port B reads.

    Raises:
        ValueError: ``width`` is not one of ``DEPTHS``.
    """

    def __init__(self, *, width: int, output_register: bool = False) -> None:
        if width not in DEPTHS:
            raise ValueError(f"width must be one of {tuple(DEPTHS)}, not {width!r}")
        self.width = width
        self.depth = DEPTHS[width]
        self.output_register = output_register
        ports = {
            "write_enable": In(max(1, width // 9)),
            "write_address": In(range(self.depth)),
            "write_data": In(width),
            "read_enable": In(1),
            "read_address": In(range(self.depth)),
            "read_data": Out(width),
        }
        if output_register:
            ports["output_enable"] = In(1, init=1)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if family(platform) == "ecp5":
            m.submodules.ram = self._dp16kd(m)
            return m
        memory = Memory(shape=self.width, depth=self.depth, init=[])
        m.submodules.memory = memory
        write_port = memory.write_port(granularity=min(self.width, 9))
        read_port = memory.read_port()
        m.d.comb += [
            write_port.en.eq(self.write_enable),
            write_port.addr.eq(self.write_address),
            write_port.data.eq(self.write_data),
            read_port.en.eq(self.read_enable),
            read_port.addr.eq(self.read_address),
        ]
        if self.output_register:
            register = Signal(self.width, reset_less=True)
            with m.If(self.output_enable):
                m.d.sync += register.eq(read_port.data)
            m.d.comb += self.read_data.eq(register)
        else:
            m.d.comb += self.read_data.eq(read_port.data)
        return m

    def _dp16kd(self, m: Module) -> Instance:
        # Addresses count bits (parity aside). The lowest bits of a word of 18 or 36 enable its
        # bytes instead.
        low = _ADDRESS_BITS - (self.depth - 1).bit_length()
        addresses = {"A": Signal(_ADDRESS_BITS), "B": Signal(_ADDRESS_BITS)}
        m.d.comb += addresses["A"][low:].eq(self.write_address)
        m.d.comb += addresses["B"][low:].eq(self.read_address)
        if self.width > 9:
            m.d.comb += addresses["A"][: self.width // 9].eq(self.write_enable)
        written = {"A": Signal(_PORT_BITS), "B": Signal(_PORT_BITS)}
        read = {"A": Signal(_PORT_BITS), "B": Signal(_PORT_BITS)}
        # Words of 36 bits take both ports' data, the low half that of port A.
        m.d.comb += written["A"].eq(self.write_data)
        if self.width > _PORT_BITS:
            m.d.comb += written["B"].eq(self.write_data[_PORT_BITS:])
            m.d.comb += self.read_data[:_PORT_BITS].eq(read["A"])
            m.d.comb += self.read_data[_PORT_BITS:].eq(read["B"])
        else:
            m.d.comb += self.read_data.eq(read["B"])

        ports: dict[str, object] = {f"i_{name}": Const(0, 1) for name in ("WEB", "RSTA", "RSTB")}
        ports |= {f"i_CS{port}{bit}": Const(0, 1) for port in "AB" for bit in range(3)}
        output_enable = self.output_enable if self.output_register else Const(1, 1)
        ports |= {
            "i_CLKA": ClockSignal(),
            "i_CLKB": ClockSignal(),
            "i_CEA": Const(1, 1),
            "i_WEA": Const(1, 1) if self.width > 9 else self.write_enable,
            "i_CEB": self.read_enable,
            "i_OCEA": output_enable,
            "i_OCEB": output_enable,
        }
        for port in "AB":
            ports |= _bits(f"i_AD{port}", addresses[port])
            ports |= _bits(f"i_DI{port}", written[port])
            ports |= _bits(f"o_DO{port}", read[port])
        mode = "OUTREG" if self.output_register else "NOREG"
        return Instance(
            "DP16KD",
            p_DATA_WIDTH_A=self.width,
            p_DATA_WIDTH_B=self.width,
            p_REGMODE_A=mode if self.width > _PORT_BITS else "NOREG",
            p_REGMODE_B=mode,
            p_RESETMODE="SYNC",
            p_ASYNC_RESET_RELEASE="SYNC",
            p_WRITEMODE_A="NORMAL",
            p_WRITEMODE_B="NORMAL",
            p_CSDECODE_A="0b000",
            p_CSDECODE_B="0b000",
            p_GSR="DISABLED",
            **ports,
        )


def _bits(name: str, value: Value) -> dict[str, Value]:
    """The ports ``name0``, ``name1``, ... of an instance, one for each bit."""
    return {f"{name}{bit}": value[bit] for bit in range(len(value))}
