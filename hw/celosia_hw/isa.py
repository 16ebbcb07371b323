# SPDX-License-Identifier: BSD-2-Clause
"""The instruction set: one source for the gateware, the compiler, the models and the C header.

A program is a list of 64-byte instructions in the scratchpad, executed in order until END. An
instruction is a whole layer, or a part of one. Multi-byte fields are little-endian. What each
instruction does is defined in docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

INSTRUCTION_WORDS = 16
INSTRUCTION_BYTES = 4 * INSTRUCTION_WORDS
#: Byte addresses and strides in the scratchpad.
ADDRESS_BITS = 20
_ADDRESSES = 1 << ADDRESS_BITS
#: Byte addresses behind the external port, and the number of 32-bit units of a segment.
EXTERNAL_ADDRESS_BITS = 24
SEGMENT_BITS = 18


class Opcode(IntEnum):
    END = 0
    SETUP = 1
    CONV = 2
    CHAIN = 3
    MAX = 4
    FILL = 5


class Source(IntEnum):
    """Where the weight loader finds its units."""

    RESIDENT = 0
    SCRATCH = 1
    EXTERNAL = 2


@dataclass(frozen=True)
class Field:
    """``width`` bits at bit ``lsb`` of 32-bit word ``word``. A field with ``minus_one`` holds a
    count, from 1 on, less one."""

    name: str
    word: int
    lsb: int
    width: int
    minus_one: bool = False

    @property
    def limit(self) -> int:
        """The largest value that can be encoded."""
        return (1 << self.width) - 1 + self.minus_one


def _pack(*words: list[tuple[str, int] | tuple[str, int, bool]]) -> dict[str, Field]:
    fields = {}
    for index, word in enumerate(words):
        lsb = 0
        for name, width, *minus_one in word:
            fields[name] = Field(name, index, lsb, width, bool(minus_one))
            lsb += width
        assert lsb <= 32, f"word {index} is too full"
    assert len(words) <= INSTRUCTION_WORDS
    return fields


A = ADDRESS_BITS

#: Fields of CONV, CHAIN, MAX and FILL.
COMPUTE = _pack(
    [
        ("opcode", 4),
        ("second_pass", 1),  # results go through tables T1 and T2 once more
        ("residual", 1),  # ... T2 with the stored tensor at out address + residual_delta
        ("weights_ring", 1),  # weights are consumed from the ring and freed
        ("weights_shared", 1),  # all groups use the same weights
        ("parameters_ring", 1),  # parameter rows are consumed from the ring and freed
        ("parameters_uniform", 1),  # all outputs use the one row at parameter_base
        ("skip", 4),  # CHAIN: positions of each line that emit nothing
        ("tail", 5, True),  # outputs of the last group that are stored
    ],
    [("in_base", A), ("groups", 12, True)],
    [("in_group", A), ("lines", 12, True)],
    [("in_line", A), ("positions", 12, True)],
    [("in_position", A), ("taps_c", 12, True)],
    [("in_ky", A), ("taps_ky", 8, True)],
    [("in_kx", A), ("taps_kx", 8, True)],
    [("in_c", A), ("zero_point", 8)],
    [("out_base", A), ("low", 8)],
    [("out_group", A), ("high", 8)],
    [("out_line", A)],
    [("out_position", A)],
    [("weight_base", 16), ("weight_words", 16, True)],  # words of one group
    [("parameter_base", 16), ("shift2", 5, True)],
    [("residual_delta", A)],
    [("table_base", A)],
)

#: Fields of SETUP.
SETUP = _pack(
    [("opcode", 4), ("weight_source", 2), ("parameter_source", 2)],
    [("weight_list", A)],
    [("parameter_list", A)],
    [("profile_base", A)],
)

#: Loops of an instruction that read activations, from the innermost on: count and stride.
INPUT_LOOPS = (
    ("taps_c", "in_c"),
    ("taps_kx", "in_kx"),
    ("taps_ky", "in_ky"),
    ("positions", "in_position"),
    ("lines", "in_line"),
    ("groups", "in_group"),
)
#: Loops that store its emissions; ``skip`` positions of each line emit nothing.
OUTPUT_LOOPS = (("positions", "out_position"), ("lines", "out_line"), ("groups", "out_group"))

#: Fields that hold two's complement numbers.
SIGNED = frozenset({"zero_point", "low", "high"})


class EncodingError(ValueError):
    """A value that an instruction field cannot hold."""


def encode(opcode: Opcode, fields: Mapping[str, int]) -> bytes:
    """The 64 bytes of an instruction. Fields that are not given are zero (counts: one).

    The strides of CONV, CHAIN and MAX are encoded as steps: what is added to an address when a loop
    goes on while all loops inside it are at their end, that is, the stride less the way that those
    have gone, modulo the address space. So the hardware needs one adder for a nest of loops.

    Raises:
        EncodingError: a field is unknown, or its value does not fit.
    """
    layout = _layout(opcode)
    words = [0] * INSTRUCTION_WORDS
    values = {name: int(field.minus_one) for name, field in layout.items()}
    for name, value in fields.items():
        if name not in layout:
            raise EncodingError(f"{opcode.name} has no field {name!r}")
        values[name] = value
    values["opcode"] = opcode
    for name, value in values.items():
        field = layout[name]
        if name in SIGNED:
            low, high = -(1 << field.width - 1), (1 << field.width - 1) - 1
        else:
            low, high = int(field.minus_one), field.limit
        if not low <= value <= high:
            raise EncodingError(f"{opcode.name}: {name} must be from {low} to {high}, not {value}")
    for nest in _nests(opcode, values):
        gone = 0
        for count, name in nest:
            stride = values[name]
            values[name] = (stride - gone) % _ADDRESSES
            gone += (count - 1) * stride
    for name, value in values.items():
        field = layout[name]
        raw = (value - field.minus_one) & ((1 << field.width) - 1)
        words[field.word] |= raw << field.lsb
    return b"".join(word.to_bytes(4, "little") for word in words)


def decode(data: bytes) -> tuple[Opcode, dict[str, int]]:
    """The opcode and the fields of the 64 bytes of an instruction.

    Raises:
        EncodingError: the length or the opcode is wrong.
    """
    if len(data) != INSTRUCTION_BYTES:
        raise EncodingError(f"an instruction has {INSTRUCTION_BYTES} bytes, not {len(data)}")
    words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, INSTRUCTION_BYTES, 4)]
    try:
        opcode = Opcode(words[0] & 15)
    except ValueError:
        raise EncodingError(f"no instruction has the opcode {words[0] & 15}") from None
    values = {}
    for name, field in _layout(opcode).items():
        value = words[field.word] >> field.lsb & ((1 << field.width) - 1)
        if name in SIGNED and value >> field.width - 1:
            value -= 1 << field.width
        values[name] = value + field.minus_one
    del values["opcode"]
    for nest in _nests(opcode, values):
        gone = 0
        for count, name in nest:
            values[name] = (values[name] + gone) % _ADDRESSES
            gone += (count - 1) * values[name]
    return opcode, values


def _nests(opcode: Opcode, values: Mapping[str, int]) -> list[list[tuple[int, str]]]:
    """Loops that are encoded as steps, from the innermost on: count and name of the stride."""
    if opcode not in (Opcode.CONV, Opcode.CHAIN, Opcode.MAX):
        return []
    skipped = {"out_position": values["skip"]}
    return [
        [(values[count] - skipped.get(stride, 0), stride) for count, stride in nest]
        for nest in (INPUT_LOOPS, OUTPUT_LOOPS)
    ]


def _layout(opcode: Opcode) -> dict[str, Field]:
    if opcode == Opcode.SETUP:
        return SETUP
    if opcode == Opcode.END:
        return {"opcode": SETUP["opcode"]}
    return COMPUTE


# --- control and data port -----------------------------------------------------------------------


class Register(IntEnum):
    """Word addresses on the control port; all are 32 bits wide. What is not to be read is zero."""

    IDENT = 0  # read: IDENT_VALUE
    CONFIG = 1  # read: fingerprint of the configuration
    LINK = 2  # read: version of the links' protocol in bits 7:0
    SCRATCH_BYTES = 3  # read: size of the scratchpad
    WEIGHT_BYTES = 4  # read: size of the weight memory
    PARAMETER_BYTES = 5  # read: size of the parameter memory
    STATUS = 6  # read: Status fields
    CYCLES = 7  # read: clock cycles of the current or the last run
    ADDRESS = 8  # write: space in bits 31:28, byte address below
    DATA = 9  # read, write: 32 bits at ADDRESS, which then advances; only while idle
    START = 12  # write: byte address of the first instruction
    WATCHDOG = 13  # write, before START: cycles after which a run is ended; 0 means 2^32
    BREAKPOINT = 14  # write: number of instructions after which a run pauses; 0 means never
    CONTROL = 15  # write: Control bits


IDENT_VALUE = 0x43_45_4C_02  # "CEL", version of the instruction set


class Space(IntEnum):
    """Memories that ADDRESS selects, by a multiple of 4. WEIGHTS and PARAMETERS are written only:
    ADDRESS is where a row begins, which is filled, with those behind it, by what follows; it does
    not change. A row takes as many bytes as it has, rounded up to a power of two."""

    SCRATCH = 0
    WEIGHTS = 1
    PARAMETERS = 2


class Control(IntEnum):
    """Bits of CONTROL."""

    START = 0  # run from START
    CONTINUE = 1  # go on after a breakpoint
    RESET = 2  # stop whatever runs; clear flags and error, not CYCLES and the instruction


class Status(IntEnum):
    """Lowest bits of STATUS: flags in 3:0, error in 7:4, boot in 9:8, index of the instruction in
    31:16."""

    BUSY = 0
    DONE = 1
    PAUSED = 2
    ERROR = 4
    BOOT = 8
    INSTRUCTION = 16


class Boot(IntEnum):
    """What became of the image in flash (STATUS bits 9:8)."""

    NONE = 0  # the design does not boot from flash
    BUSY = 1
    DONE = 2
    FAILED = 3  # there is no good image for this accelerator


class Error(IntEnum):
    """What went wrong (STATUS bits 7:4)."""

    NONE = 0
    OPCODE = 1  # an instruction has an unknown opcode
    WATCHDOG = 2  # more cycles than WATCHDOG allows
    ACCESS = 3  # DATA was used, or a run started, while busy; that had no other effect
