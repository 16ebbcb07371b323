# SPDX-License-Identifier: BSD-2-Clause
"""Random programs: legal instructions that no compiler would write, to test the hardware with.

Loops, strides and addresses are arbitrary, within a window of the scratchpad; weights and
parameters are resident or come through rings from the scratchpad or the external port.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from celosia.compiler.image import (
    Image,
    ImageSpace,
    InstructionInfo,
    Section,
    TensorPort,
    padded_rows,
)
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import ADDRESS_BITS, Opcode, Source, encode

# The map of the scratchpad, which has at least 64 KiB.
_PROGRAM = 0x0
_TABLES = 0x1000
_WEIGHT_LIST = 0x1A00
_PARAMETER_LIST = 0x1A80
_PROFILE = 0x1B00
_INPUTS, _OUTPUTS, _END = 0x2000, 0x4000, 0x7000
_FUNCTION_TABLES = 0x7000
_WINDOW = 0x6000
_WEIGHTS = 0x8000
_PARAMETERS = 0xE000


class _Draw:
    """Draws one program; ``rows`` and ``entries`` are what it needs of the memories, in order."""

    def __init__(self, config: AcceleratorConfig, seed: int, ring: bool) -> None:
        self.config = config
        self.rng = np.random.default_rng(seed)
        self.ring = ring
        self.weights: list[bytes] = []
        self.parameters: list[bytes] = []

    def integer(self, low: int, high: int) -> int:
        """From ``low`` to ``high``, both included."""
        return int(self.rng.integers(low, high + 1))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def entry(self) -> bytes:
        """A parameter entry: mostly in the range of real ones, sometimes at a limit."""
        a, b = self.config.accumulator_bits, self.config.multiplier_bits
        bias = self.integer(-(1 << 12), 1 << 12)
        multiplier = self.integer(1 << b - 2, (1 << b) - 1)
        if self.chance(0.1):
            multiplier = self.integer(1, 15)
        shift = self.integer(0, 31) if self.chance(0.1) else self.integer(12, 20)
        tie = int(self.chance(0.7))
        bits = (bias & ((1 << a) - 1)) | multiplier << a | shift << a + b | tie << a + b + 5
        return bits.to_bytes(4 * self.config.parameter_units, "little")

    def row(self) -> bytes:
        weights = self.rng.integers(self.config.least_weight, 128, 4 * self.config.weight_chunks)
        return weights.astype(np.int8).tobytes()

    def place(self, store: list[bytes], content: list[bytes], depth: int) -> int:
        """Appends rows to a stream; where the instruction finds them in the memory."""
        base = len(store)
        store.extend(content)
        return base % depth if self.ring else base

    def fill(self) -> dict[str, int]:
        return {
            "out_base": self.integer(_OUTPUTS, _END - 900),
            "lines": self.integer(1, 6),
            "positions": self.integer(1, 60),
            "out_line": self.integer(60, 100),
            "zero_point": self.integer(-128, 127),
        }

    def compute(self, opcode: Opcode) -> dict[str, int]:
        config = self.config
        is_conv = opcode == Opcode.CONV
        group = config.output_channels if is_conv else config.input_channels
        align = int(self.rng.choice([1, 4, config.word_bytes]))
        f = {
            "groups": self.integer(1, 3),
            "lines": self.integer(1, 3),
            "positions": self.integer(1, 5),
            "taps_ky": self.integer(1, 3),
            "taps_kx": self.integer(1, 2),
            "taps_c": self.integer(1, 4),
            "in_base": self.integer(_INPUTS, _INPUTS + 0x1000) // align * align,
        }
        for name in ("in_group", "in_line", "in_position", "in_ky", "in_kx", "in_c"):
            f[name] = self.integer(0, 119) // align * align
        if opcode == Opcode.CHAIN:
            f["skip"] = self.integer(0, min(config.chain_rows, f["positions"]) - 1)
        emissions = f["positions"] - f.get("skip", 0)

        f["second_pass"] = int(self.chance(0.4))
        f["residual"] = int(f["second_pass"] and self.chance(0.6))
        gap = self.integer(0, 2) * (group if f["residual"] else 1)
        pitch = group * f["groups"] + gap
        f |= {"out_group": group, "out_position": pitch, "out_line": pitch * emissions}
        base = self.integer(_OUTPUTS, _END - pitch * emissions * f["lines"])
        f["out_base"] = base // group * group if f["residual"] else base
        if f["residual"] and self.chance(0.5):
            f["residual_delta"] = -(0x1800 // group * group) % (1 << ADDRESS_BITS)
        f["tail"] = self.integer(1, group)

        low, high = sorted((self.integer(-128, 127), self.integer(-128, 127)))
        f["low"], f["high"] = (low, high) if self.chance(0.3) else (-128, 127)
        f["zero_point"] = self.integer(-128, 127)
        f["shift2"] = self.integer(10, 23)
        f["table_base"] = _TABLES if f["residual"] else _FUNCTION_TABLES

        f["weights_shared"] = int(opcode != Opcode.MAX and self.chance(0.2))
        f["parameters_uniform"] = int(self.chance(0.2))
        f["parameters_ring"] = int(self.ring)
        rows = 1 if f["parameters_uniform"] else f["groups"] * group // config.requantize_lanes
        content = [
            b"".join(self.entry() for _ in range(config.requantize_lanes)) for _ in range(rows)
        ]
        f["parameter_base"] = self.place(self.parameters, content, config.parameter_depth)
        if opcode != Opcode.MAX:
            words = f["taps_ky"] * f["taps_kx"] * f["taps_c"]
            total = words * (1 if f["weights_shared"] else f["groups"])
            f["weight_words"] = words
            f["weights_ring"] = int(self.ring)
            content = [self.row() for _ in range(total)]
            f["weight_base"] = self.place(self.weights, content, config.weight_depth)
        return f


def random_program(
    config: AcceleratorConfig, seed: int, *, instructions: int, source: Source
) -> Image:
    """An image whose program has ``instructions`` random instructions; its output is the whole
    window of the scratchpad that they read and write.

    ``source`` is that of the weights; parameters are resident if weights are. ``config`` needs
    64 KiB of scratchpad, and memories deep enough for a resident program.
    """
    draw = _Draw(config, seed, source != Source.RESIDENT)
    setup = {
        "weight_source": source,
        "parameter_source": Source.SCRATCH if draw.ring else Source.RESIDENT,
        "weight_list": _WEIGHT_LIST,
        "parameter_list": _PARAMETER_LIST,
        "profile_base": _PROFILE,
    }
    code = encode(Opcode.SETUP, setup)
    names = ["SETUP"]
    kinds = [Opcode.CONV, Opcode.CONV, Opcode.CHAIN, Opcode.CHAIN, Opcode.MAX, Opcode.FILL]
    for _ in range(instructions):
        opcode = kinds[draw.integer(0, len(kinds) - 1)]
        fields = draw.fill() if opcode == Opcode.FILL else draw.compute(opcode)
        code += encode(opcode, fields)
        names.append(opcode.name)
    code += encode(Opcode.END, {})
    names.append("END")

    def scratch(address: int, content: bytes) -> Section:
        return Section(ImageSpace.SCRATCH, address, content)

    def numbers(values: npt.ArrayLike, kind: str) -> bytes:
        return np.asarray(values).astype(kind).tobytes()

    window = draw.rng.integers(-128, 128, _WINDOW)
    sections = [
        scratch(_PROGRAM, code),
        scratch(_TABLES, numbers(draw.rng.integers(-(1 << 24), 1 << 24, 512), "<i4")),
        scratch(_INPUTS, numbers(window, "i1")),
        scratch(_FUNCTION_TABLES, numbers(draw.rng.integers(-(1 << 24), 1 << 24, 256), "<i4")),
        scratch(_FUNCTION_TABLES + 1024, numbers(np.zeros(256), "<i4")),
    ]
    weights, parameters = b"".join(draw.weights), b"".join(draw.parameters)
    if draw.ring:
        # Two segments each, so that the loaders go from one to the next.
        external = source == Source.EXTERNAL
        for data, at, list_at in (
            (weights, 0 if external else _WEIGHTS, _WEIGHT_LIST),
            (parameters, _PARAMETERS, _PARAMETER_LIST),
        ):
            half = len(data) // 8
            rest = len(data) // 4 - half
            segments = [at, half] * (half > 0) + [at + 4 * half, rest] * (rest > 0)
            sections.append(scratch(list_at, numbers([*segments, 0, 0], "<u4")))
        assert external or len(weights) <= _PARAMETERS - _WEIGHTS
        assert len(parameters) <= config.scratch_bytes - _PARAMETERS
        space = ImageSpace.EXTERNAL if external else ImageSpace.SCRATCH
        sections.append(Section(space, 0 if external else _WEIGHTS, weights))
        sections.append(scratch(_PARAMETERS, parameters))
    else:
        weights = padded_rows(weights, 4 * config.weight_chunks, config.weight_stride)
        parameters = padded_rows(parameters, 4 * config.parameter_chunks, config.parameter_stride)
        sections.append(Section(ImageSpace.WEIGHTS, 0, weights))
        sections.append(Section(ImageSpace.PARAMETERS, 0, parameters))
    return Image(
        model=f"random program {seed}",
        config=config,
        entry=_PROGRAM,
        profile_base=_PROFILE,
        sections=tuple(section for section in sections if section.data),
        inputs=(),
        outputs=(TensorPort("window", 0, "int8", (_WINDOW,), _INPUTS, (1,), 1.0, 0),),
        instructions=tuple(InstructionInfo(name, -1, 0) for name in names),
        layers=(),
    )
