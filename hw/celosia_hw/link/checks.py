# SPDX-License-Identifier: BSD-2-Clause
"""Finds out what is wrong with a request, while its bits pass."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..isa import IDENT_VALUE, Control, Space
from .protocol import REGISTER_SPACE, Command, Result

#: The first word of a request.
HEAD_LAYOUT = data.StructLayout({"command": 8, "sequence": 8, "count": 16})
#: Registers from 0 on that can be read, and whose values SET compares; it changes 12 to 15.
READABLE = 8


class Checks(wiring.Component):
    """Judges a request.

    ``begin`` is high before its first bit. Then ``bit`` is one of the head's, in cycles with
    ``heading``, or one of the argument's, in cycles with ``arguing``, the lowest first; ``place``
    is its number. With bits 2 to 17 of an address that of the count whose number is two less comes
    in ``addend``. Behind the last bit ``head`` and ``argument`` hold the whole words, and ``some``
    says that the count is not zero: then ``result`` is what becomes of the request, if nothing else
    happens; ``repeats`` says that it has been executed before, ``compares`` that it sets one of the
    first two registers, and ``registers`` that it is for their space.

    ``accept`` makes its number the last one. Before there is one, only IDENTIFY and READ are good;
    but with ``boots`` the last one is 0 then, until ``forget``.
    """

    def __init__(self, config: AcceleratorConfig, *, boots: bool = False) -> None:
        self.config = config
        self.boots = boots
        super().__init__(
            {
                "begin": In(1),
                "bit": In(1),
                "place": In(5),
                "heading": In(1),
                "arguing": In(1),
                "addend": In(1),
                "head": In(HEAD_LAYOUT),
                "argument": In(32),
                "some": In(1),
                "busy": In(1),
                "accept": In(1),
                "forget": In(1),
                "result": Out(Result),
                "repeats": Out(1),
                "compares": Out(1),
                "registers": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        command, count = self.head.command, self.head.count
        is_read = (command == Command.READ) | (command == Command.IDENTIFY)
        is_write = command == Command.WRITE
        is_set = command == Command.SET
        differs, misses = self._compare_numbers(m)
        mismatch = self._compare_values(m)
        over = self._compare_addresses(m)

        first_two = count[1:4] == 0
        last_four = count[2:4].all()
        settable = (count[4:] == 0) & (first_two | last_four)
        starts = count[:4].all() & self.argument[: Control.CONTINUE + 1].any()
        m.d.comb += [
            self.repeats.eq((is_write | is_set) & ~differs),
            self.compares.eq(first_two),
            self.registers.eq(self.argument[28:] == REGISTER_SPACE),
            self.result.eq(Result.OK),
        ]
        with m.If(~(is_read | is_write | (is_set & settable))):
            m.d.comb += self.result.eq(Result.COMMAND)
        with m.Elif(~is_read & differs & misses):
            m.d.comb += self.result.eq(Result.SEQUENCE)
        with m.Elif(is_set):
            with m.If(first_two & mismatch):
                m.d.comb += self.result.eq(Result.MISMATCH)
            with m.If(starts & self.busy & differs):
                m.d.comb += self.result.eq(Result.STATE)
        with m.Elif(~self.some):
            m.d.comb += self.result.eq(Result.LENGTH)
        with m.Elif(over | self._is_refused(is_write)):
            m.d.comb += self.result.eq(Result.ADDRESS)
        with m.Elif(self.busy & ~self.registers):
            m.d.comb += self.result.eq(Result.STATE)
        return m

    def _compare_numbers(self, m: Module) -> tuple[Value, Value]:
        """Whether the sequence number differs from the last one, and from the one after that; from
        both if there is none."""
        last = Signal(8)
        unknown = Signal(init=not self.boots)
        differs = Signal()
        misses = Signal()
        carry = Signal()
        with m.If(self.heading & (self.place[3:] == 1)):
            m.d.sync += [
                last.eq(Cat(last[1:], last[0])),
                differs.eq(differs | (self.bit ^ last[0])),
                misses.eq(misses | (self.bit ^ last[0] ^ carry)),
                carry.eq(carry & last[0]),
            ]
        with m.If(self.begin):
            m.d.sync += [differs.eq(unknown), misses.eq(unknown), carry.eq(1)]
        with m.If(self.accept):
            m.d.sync += [last.eq(self.head.sequence), unknown.eq(0)]
        with m.If(self.forget):
            m.d.sync += unknown.eq(1)
        return differs, misses

    def _compare_values(self, m: Module) -> Value:
        """Whether the argument is not the value of one of the first two registers."""
        mismatch = Signal()
        values = Const(self.config.fingerprint << 32 | IDENT_VALUE, 64)
        value = values.bit_select(Cat(self.place, self.head.count[0]), 1)
        with m.If(self.arguing & (self.bit != value)):
            m.d.sync += mismatch.eq(1)
        with m.If(self.begin):
            m.d.sync += mismatch.eq(0)
        return mismatch

    def _compare_addresses(self, m: Module) -> Value:
        """Whether the words end beyond their memory."""
        place = self.place
        carry = Signal()
        end = self.bit ^ self.addend ^ carry
        # Neither the lowest bits, nor those of the space.
        counts = self.arguing & place[1:].any() & ~place[2:].all()
        sizes = {
            Space.SCRATCH: self.config.scratch_bytes,
            Space.WEIGHTS: self.config.weight_bytes,
            Space.PARAMETERS: self.config.parameter_bytes,
            REGISTER_SPACE: 4 * READABLE,
        }
        over = Signal(len(sizes))
        for space, size in sizes.items():
            with m.If(counts & (end != Const(size, 32).bit_select(place, 1))):
                m.d.sync += over[space].eq(end)
        with m.If(counts):
            majority = (self.bit & self.addend) | (carry & (self.bit | self.addend))
            m.d.sync += carry.eq(majority)
        with m.If(self.begin):
            m.d.sync += [carry.eq(0), over.eq(0)]
        return carry | over.bit_select(self.argument[28:30], 1)

    def _is_refused(self, is_write: Value) -> Value:
        """Whether the space does not exist, or not for this command, or the address is between
        what can be accessed."""
        argument, config = self.argument, self.config
        space = argument[28:]
        is_weights = space == Space.WEIGHTS
        is_parameters = space == Space.PARAMETERS
        within = [argument[:2].any()]
        for chosen, stride in (
            (is_weights, config.weight_stride),
            (is_parameters, config.parameter_stride),
        ):
            within.append(chosen & argument[2 : stride.bit_length() - 1].any())
        denied = Mux(is_write, self.registers, is_weights | is_parameters)
        return Cat(within).any() | denied | argument[30:].any()
