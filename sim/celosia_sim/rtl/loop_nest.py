# SPDX-License-Identifier: BSD-2-Clause
"""The loop nests of docs/architecture.md, written out: all taps, all emissions, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import ADDRESS_BITS, Opcode

_ADDRESSES = 1 << ADDRESS_BITS


@dataclass(frozen=True)
class Tap:
    """One step of the array: ``address`` of its first activation, its word of the weight memory
    (before the wrap at its depth), and the flags of ``TAP_LAYOUT``."""

    address: int
    weight: int
    tag: dict[str, int]


@dataclass(frozen=True)
class Emission:
    """One result of the array: its address, how many values of it are stored, and its group."""

    address: int
    count: int
    group: int
    ends_group: bool


def taps(opcode: Opcode, fields: Mapping[str, int]) -> Iterator[Tap]:
    """All taps of CONV, CHAIN or MAX; fields as ``isa.encode`` takes them, all of them given."""
    f = fields
    shared = bool(f["weights_shared"])
    for group in range(f["groups"]):
        for line in range(f["lines"]):
            for position in range(f["positions"]):
                final = line == f["lines"] - 1 and position == f["positions"] - 1
                last_use = final and (not shared or group == f["groups"] - 1)
                word = f["weight_base"] + (0 if shared else group * f["weight_words"])
                inner = [
                    (ky, kx, c)
                    for ky in range(f["taps_ky"])
                    for kx in range(f["taps_kx"])
                    for c in range(f["taps_c"])
                ]
                for k, (ky, kx, c) in enumerate(inner):
                    address = (
                        f["in_base"]
                        + group * f["in_group"]
                        + line * f["in_line"]
                        + position * f["in_position"]
                        + ky * f["in_ky"]
                        + kx * f["in_kx"]
                        + c * f["in_c"]
                    )
                    tag = {
                        "first": k == 0,
                        "last": k == len(inner) - 1,
                        "line_start": position == 0,
                        "emit": opcode != Opcode.CHAIN or position >= f["skip"],
                        "advance": final and not shared,
                        "free": last_use and bool(f["weights_ring"]),
                    }
                    yield Tap(
                        address % _ADDRESSES, word + k, {name: int(v) for name, v in tag.items()}
                    )


def emissions(
    opcode: Opcode, fields: Mapping[str, int], config: AcceleratorConfig
) -> Iterator[Emission]:
    """All emissions of CONV, CHAIN or MAX; fields as for ``taps``."""
    f = fields
    whole = config.output_channels if opcode == Opcode.CONV else config.input_channels
    for group in range(f["groups"]):
        count = f["tail"] if group == f["groups"] - 1 else whole
        for line in range(f["lines"]):
            for position in range(f["positions"] - f["skip"]):
                address = (
                    f["out_base"]
                    + group * f["out_group"]
                    + line * f["out_line"]
                    + position * f["out_position"]
                )
                final = line == f["lines"] - 1 and position == f["positions"] - f["skip"] - 1
                yield Emission(address % _ADDRESSES, count, group, final)
