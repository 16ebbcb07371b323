# SPDX-License-Identifier: BSD-2-Clause
"""The parameters of one accelerator. They decide its Verilog; nothing of a model is in them."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass, fields
from typing import Any

#: Array dimensions that the gateware supports.
ARRAY_SIZES = (2, 4, 8, 16)
#: What makes the products: LUTs, SB_MAC16 (two int8 products each), MULT18X18D (one, or two).
MULTIPLIERS = ("fabric", "mac16", "mult18", "mult18_pair")
#: Bits of the shift and the tie fields that follow bias and multiplier in a parameter entry.
SHIFT_BITS = 5
TIE_BITS = 1


class ConfigError(ValueError):
    """A combination of parameters that no accelerator can have."""


@dataclass(frozen=True, kw_only=True)
class AcceleratorConfig:
    """Shape of the MAC array, of the memories around it, and widths of its arithmetic.

    Attributes:
        output_channels: rows of the array, each with an accumulator: 2, 4, 8 or 16.
        input_channels: multipliers in each row: 2, 4, 8 or 16.
        chain_rows: rows that also hold one accumulator per lane, for depthwise convolution;
            2 to ``output_channels``.
        scratch_bytes: size of the activation scratchpad, a multiple of two words, at most 1 MiB.
        scratch_single_port: True if a scratchpad bank does one access a cycle (SPRAM), False if
            it reads and writes in the same cycle (block RAM).
        weight_depth: words of ``output_channels * input_channels`` bytes in the weight memory.
        parameter_depth: rows of ``requantize_lanes`` entries in the parameter memory.
        accumulator_bits: width of accumulator plus bias, 20 to 32.
        chain_bits: width of the depthwise accumulators, 16 to ``accumulator_bits``.
        multiplier_bits: width of the requantizer's multiplier, 16 to 32.
        requantize_lanes: outputs requantized each cycle: 1, 2, 4 or 8; it divides both array
            dimensions.
        multipliers: what makes the products: ``fabric`` (LUTs), ``mac16`` (SB_MAC16 of iCE40, two
            products of the array each), ``mult18`` (MULT18X18D of ECP5, one product each) or
            ``mult18_pair`` (two products each; no weight may be -128).

    Raises:
        ConfigError: an attribute is outside of its range.
    """

    output_channels: int = 4
    input_channels: int = 4
    chain_rows: int = 4
    scratch_bytes: int = 128 * 1024
    scratch_single_port: bool = True
    weight_depth: int = 512
    parameter_depth: int = 256
    accumulator_bits: int = 24
    chain_bits: int = 22
    multiplier_bits: int = 28
    requantize_lanes: int = 1
    multipliers: str = "mac16"

    def __post_init__(self) -> None:
        def check(name: str, good: bool, what: str) -> None:
            if not good:
                raise ConfigError(f"{name} must be {what}, not {getattr(self, name)!r}")

        check("output_channels", self.output_channels in ARRAY_SIZES, f"one of {ARRAY_SIZES}")
        check("input_channels", self.input_channels in ARRAY_SIZES, f"one of {ARRAY_SIZES}")
        check(
            "chain_rows",
            2 <= self.chain_rows <= self.output_channels,
            f"from 2 to {self.output_channels}",
        )
        check(
            "scratch_bytes",
            0 < self.scratch_bytes <= 1 << 20 and self.scratch_bytes % (2 * self.word_bytes) == 0,
            f"a multiple of {2 * self.word_bytes} up to {1 << 20}",
        )
        check("weight_depth", 16 <= self.weight_depth <= 1 << 16, "from 16 to 65536")
        check("parameter_depth", 16 <= self.parameter_depth <= 1 << 16, "from 16 to 65536")
        check("accumulator_bits", 20 <= self.accumulator_bits <= 32, "from 20 to 32")
        check(
            "chain_bits",
            16 <= self.chain_bits <= self.accumulator_bits,
            f"from 16 to {self.accumulator_bits}",
        )
        check("multiplier_bits", 16 <= self.multiplier_bits <= 32, "from 16 to 32")
        lanes = min(self.output_channels, self.input_channels)
        check(
            "requantize_lanes",
            self.requantize_lanes in (1, 2, 4, 8) and self.requantize_lanes <= lanes,
            f"1, 2, 4 or 8 and at most {lanes}",
        )
        check("multipliers", self.multipliers in MULTIPLIERS, f"one of {MULTIPLIERS}")

    @property
    def address_bits(self) -> int:
        """Bits of the address of a scratchpad byte; addresses wrap there."""
        return (self.scratch_bytes - 1).bit_length()

    @property
    def free_running(self) -> bool:
        """Whether array and requantizer never stop, with queues behind them: for fast clocks."""
        return self.multipliers in ("mult18", "mult18_pair")

    @property
    def least_weight(self) -> int:
        """The least weight whose products are exact."""
        return -127 if self.multipliers == "mult18_pair" else -128

    @property
    def least_shift(self) -> int:
        """What a shift field of zero stands for: then an accumulator of one, by the largest
        multiplier, is beyond every int8."""
        return self.multiplier_bits - 9

    @property
    def word_bytes(self) -> int:
        """Bytes of a scratchpad word: one group of outputs, or one read of inputs, fits in it."""
        return max(4, self.output_channels, self.input_channels)

    @property
    def group_bytes(self) -> int:
        """The largest number of values that leave the array at once."""
        return max(self.output_channels, self.input_channels)

    @property
    def weight_chunks(self) -> int:
        """32-bit units of one word of the weight memory."""
        return self.output_channels * self.input_channels // 4

    @property
    def parameter_units(self) -> int:
        """32-bit units of one parameter entry (bias, multiplier, shift, tie), 2 or 3."""
        bits = self.accumulator_bits + self.multiplier_bits + SHIFT_BITS + TIE_BITS
        return -(-bits // 32)

    @property
    def parameter_chunks(self) -> int:
        """32-bit units of one row of the parameter memory."""
        return self.parameter_units * self.requantize_lanes

    @property
    def weight_stride(self) -> int:
        """Bytes from one row of the weight memory to the next, as ADDRESS counts them."""
        return 4 * _power_of_two(self.weight_chunks)

    @property
    def parameter_stride(self) -> int:
        """The same of the parameter memory."""
        return 4 * _power_of_two(self.parameter_chunks)

    @property
    def weight_bytes(self) -> int:
        """Size of the weight memory, as ADDRESS counts."""
        return self.weight_stride * self.weight_depth

    @property
    def parameter_bytes(self) -> int:
        """Size of the parameter memory, as ADDRESS counts."""
        return self.parameter_stride * self.parameter_depth

    @property
    def macs_per_cycle(self) -> int:
        return self.output_channels * self.input_channels

    @property
    def name(self) -> str:
        """The array as the command line writes it, output channels first: ``4x4``."""
        return f"{self.output_channels}x{self.input_channels}"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> AcceleratorConfig:
        """The configuration with these parameters; those that are missing have their defaults.

        Raises:
            ConfigError: a parameter is unknown, of another type or outside of its range.
        """
        kinds = {f.name: type(f.default) for f in fields(cls)}
        if unknown := sorted(set(values) - set(kinds)):
            raise ConfigError(f"unknown parameters of an accelerator: {', '.join(unknown)}")
        for name, value in values.items():
            # True or 4.0 equals an int, but has another fingerprint.
            if type(value) is not kinds[name]:
                raise ConfigError(f"{name} must be of type {kinds[name].__name__}, not {value!r}")
        return cls(**values)

    @classmethod
    def from_record(cls, values: dict[str, Any]) -> AcceleratorConfig:
        """What ``to_dict`` gave, from a file.

        Raises:
            ConfigError: as for ``from_dict``, or a parameter is missing.
        """
        if missing := [f.name for f in fields(cls) if f.name not in values]:
            raise ConfigError(f"missing parameters of an accelerator: {', '.join(missing)}")
        return cls.from_dict(values)

    @property
    def fingerprint(self) -> int:
        """CRC-32 of the parameters, readable from the hardware; an image carries the same value."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return zlib.crc32(text.encode())


def _power_of_two(count: int) -> int:
    """The least power of two that is not below ``count``."""
    return 1 << (count - 1).bit_length()
