# SPDX-License-Identifier: BSD-2-Clause
"""A synthesized netlist: cells, what they count as, and how they are connected."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

#: A net of one bit.
Bit: TypeAlias = int

#: What is counted, in the order of reports.
RESOURCES = ("lut", "ff", "bram", "spram", "dsp")

#: What each type of cell counts as: resource and number. On ECP5 a carry cell takes the place of
#: two LUTs and a RAM of 16 x 4 bits that of four. iCE40's carry cells lie beside a LUT.
_COUNTS: dict[str, tuple[str, int]] = {
    "SB_LUT4": ("lut", 1),
    "SB_SPRAM256KA": ("spram", 1),
    "SB_MAC16": ("dsp", 1),
    "LUT4": ("lut", 1),
    "CCU2C": ("lut", 2),
    "TRELLIS_DPR16X4": ("lut", 4),
    "TRELLIS_FF": ("ff", 1),
    "DP16KD": ("bram", 1),
    "PDPW16KD": ("bram", 1),
    "MULT18X18D": ("dsp", 1),
}
#: The same for types that have variants: clock edges, enables, resets.
_COUNTS_OF_PREFIX = {"SB_DFF": ("ff", 1), "SB_RAM40_4K": ("bram", 1)}

SCOPE = "$scopeinfo"


def counts_as(cell_type: str) -> tuple[str, int] | None:
    """The resource that a type of cell takes, and how much of it; None for what is not counted."""
    if cell_type in _COUNTS:
        return _COUNTS[cell_type]
    for prefix, count in _COUNTS_OF_PREFIX.items():
        if cell_type.startswith(prefix):
            return count
    return None


@dataclass(frozen=True)
class Cell:
    """A cell of the netlist.

    Attributes:
        name: its name; Yosys makes one from nets beside it, if the design gave it none.
        type: the primitive, for example ``SB_LUT4``.
        attributes: what the sources and Yosys say of it.
        inputs: the nets at its inputs.
        outputs: the nets at its outputs.
    """

    name: str
    type: str
    attributes: dict[str, str]
    inputs: tuple[Bit, ...]
    outputs: tuple[Bit, ...]


@dataclass(frozen=True)
class Net:
    """A name for nets: a signal of some bits, the lowest first; a constant bit is None."""

    name: str
    bits: tuple[Bit | None, ...]
    attributes: dict[str, str]


@dataclass(frozen=True)
class Netlist:
    """A flat netlist of a device's cells.

    Attributes:
        cells: all cells, in the order of the file.
        nets: all names of nets.
        scopes: instance paths by the module that stands there, from before flattening.
    """

    cells: tuple[Cell, ...]
    nets: tuple[Net, ...]
    scopes: dict[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)

    def totals(self) -> dict[str, int]:
        """How many of each of ``RESOURCES`` the design takes."""
        return count(self.cells)


def count(cells: tuple[Cell, ...] | list[Cell]) -> dict[str, int]:
    """How many of each of ``RESOURCES`` ``cells`` take."""
    totals = dict.fromkeys(RESOURCES, 0)
    for cell in cells:
        counted = counts_as(cell.type)
        if counted is not None:
            totals[counted[0]] += counted[1]
    return totals


def read_netlist(file: Path, top: str) -> Netlist:
    """The module ``top`` of a file that Yosys' ``write_json`` wrote after flattening."""
    module = json.loads(file.read_text(encoding="utf-8"))["modules"][top]
    cells = []
    scopes: dict[str, list[tuple[str, ...]]] = {top: [()]}
    for name, record in module["cells"].items():
        if record["type"] == SCOPE:
            attributes = record["attributes"]
            path = tuple(attributes.get("hdlname", name).split(" "))
            scopes.setdefault(attributes["module"], []).append(path)
        else:
            cells.append(_cell(name, record))
    return Netlist(
        cells=tuple(cells),
        nets=tuple(_net(name, record) for name, record in module["netnames"].items()),
        scopes={module: tuple(paths) for module, paths in scopes.items()},
    )


def _cell(name: str, record: dict[str, Any]) -> Cell:
    ends: dict[str, list[Bit]] = {"input": [], "output": [], "inout": []}
    for port, bits in record["connections"].items():
        # Constants are strings.
        ends[record["port_directions"][port]] += [bit for bit in bits if isinstance(bit, int)]
    return Cell(
        name=name,
        type=record["type"],
        attributes=record["attributes"],
        inputs=tuple(ends["input"]),
        outputs=tuple(ends["output"] + ends["inout"]),
    )


def _net(name: str, record: dict[str, Any]) -> Net:
    bits = tuple(bit if isinstance(bit, int) else None for bit in record["bits"])
    return Net(name=name, bits=bits, attributes=record["attributes"])
