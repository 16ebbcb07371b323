# SPDX-License-Identifier: BSD-2-Clause
"""Which Amaranth block each cell of a netlist comes from.

Flattening and optimization mix the blocks; where a cell belongs follows from, in this order:

1. the mark that synthesis put on the cells of each module, where it lasted: on flip-flops,
   multipliers, primitives that the design names, carry chains;
2. its own name: memories keep theirs;
3. the cells that it feeds: logic belongs to the flip-flops, memories and outputs that it computes
   for. Where they belong to several blocks, to the one with most of them.

Each cell belongs to one block, so that the blocks add up to the whole.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cached_property
from typing import TypeAlias

from .netlist import RESOURCES, Bit, Cell, Netlist, count, counts_as

#: An instance path below the top module.
Path: TypeAlias = tuple[str, ...]

#: Levels of the hierarchy that are told apart, below the accelerator and below the top module.
LEVELS = 3
#: The name of what belongs to the top module itself.
TOP = "top"

#: What synthesis marks cells with, in ``src``.
MODULE_MARK = "module:"
_MARK = re.compile(rf"{MODULE_MARK}([^|]+)")
_NUMBER = re.compile(r"\$\d+$")


class Blocks:
    """The blocks of a netlist.

    Args:
        netlist: a flattened netlist whose cells were marked before.
        inside: instance path that is left out of names: that of the accelerator.
    """

    def __init__(self, netlist: Netlist, inside: Path = ()) -> None:
        self.netlist = netlist
        self.inside = inside
        self._cells = {cell.name: cell for cell in netlist.cells}
        self._driver = {bit: cell for cell in netlist.cells for bit in cell.outputs}
        self._sinks: dict[Bit, list[Cell]] = {}
        for cell in netlist.cells:
            for bit in cell.inputs:
                self._sinks.setdefault(bit, []).append(cell)
        paths = (path for found in netlist.scopes.values() for path in found)
        self._path_of_name = {".".join(path): path for path in paths if path}

    def cell(self, name: str) -> Cell | None:
        """The cell called ``name``."""
        return self._cells.get(name)

    def driver_of_net(self, name: str) -> Cell | None:
        """The cell that drives a net, by a name such as ``core.valid`` or ``core.address[3]``."""
        bit = self._bit_of_name.get(name)
        return self._driver.get(bit) if bit is not None else None

    def sinks(self, bit: Bit) -> list[Cell]:
        """The cells that a net feeds."""
        return self._sinks.get(bit, [])

    def signal(self, cell: Cell) -> str | None:
        """The signal that ``cell`` drives, if the sources give it a name."""
        bits = set(cell.outputs)
        path = self.path(cell)
        names = []
        for net in self.netlist.nets:
            # Yosys tells what a declared signal was called before the hierarchy was flattened.
            parts = tuple(net.attributes.get("hdlname", "").split(" "))
            if len(parts) > 1 and bits.intersection(bit for bit in net.bits if bit is not None):
                inside = parts[:-1] == path
                names.append((not inside, parts[-1] if inside else self.name(parts, None)))
        return min(names)[1] if names else None

    def path(self, cell: Cell) -> Path:
        """Instance path of the block that ``cell`` comes from."""
        return self._paths[cell.name]

    def name(self, path: Path, levels: int | None = LEVELS) -> str:
        """What a block is called: its path with dots, no deeper than ``levels``.

        The part of the path that leads to the accelerator is left out.
        """
        shared = 0
        for mine, inner in zip(path, self.inside, strict=False):
            if mine != inner:
                break
            shared += 1
        if path and path == self.inside:
            return path[-1]
        # Amaranth appends a number to a name that occurs twice.
        parts = [_NUMBER.sub("", part) for part in path[shared:][:levels]]
        return ".".join(parts) or TOP

    def usage(self) -> dict[str, dict[str, int]]:
        """What each block takes, by its name, the largest first; the sum is the netlist's totals.

        Blocks below ``LEVELS`` are part of the one around them. What uses nothing is left out.
        """
        cells: dict[str, list[Cell]] = {}
        for cell in self.netlist.cells:
            if counts_as(cell.type) is not None:
                cells.setdefault(self.name(self.path(cell)), []).append(cell)
        counted = {name: count(found) for name, found in cells.items()}
        return dict(sorted(counted.items(), key=lambda item: (-_size(item[1]), item[0])))

    @cached_property
    def _bit_of_name(self) -> dict[str, Bit]:
        names = {}
        for net in self.netlist.nets:
            for index, bit in enumerate(net.bits):
                if bit is not None:
                    names[net.name if len(net.bits) == 1 else f"{net.name}[{index}]"] = bit
        return names

    @cached_property
    def _paths(self) -> dict[str, Path]:
        known: dict[str, Path] = {}
        for cell in self.netlist.cells:
            path = self._own_path(cell)
            if path is not None:
                known[cell.name] = path
        for cell in self.netlist.cells:
            self._follow(cell, known)
        return known

    def _own_path(self, cell: Cell) -> Path | None:
        """The block of a cell that says itself where it comes from."""
        mark = _MARK.search(cell.attributes.get("src", ""))
        if mark is not None and (paths := self.netlist.scopes.get(mark[1])):
            # Several instances of one module: the cell's name may tell which it is.
            return self._longest(cell.name, paths) or paths[0]
        counted = counts_as(cell.type)
        if counted is not None and counted[0] in ("bram", "spram", "dsp"):
            return self._longest(cell.name, tuple(self._path_of_name.values()))
        return None

    @staticmethod
    def _longest(name: str, paths: tuple[Path, ...]) -> Path | None:
        fitting = [path for path in paths if path and name.startswith(".".join(path) + ".")]
        return max(fitting, key=len, default=None)

    def _follow(self, start: Cell, known: dict[str, Path]) -> None:
        """Finds the path of ``start`` from the cells that it feeds."""
        # Depth first with a stack of our own: chains of logic are longer than Python recurses.
        stack = [start]
        entered: set[str] = set()
        while stack:
            cell = stack[-1]
            if cell.name in known:
                stack.pop()
                continue
            sinks = [sink for bit in cell.outputs for sink in self._sinks.get(bit, ())]
            waiting = [s for s in sinks if s.name not in known and s.name not in entered]
            if waiting and cell.name not in entered:
                entered.add(cell.name)
                stack += waiting
                continue
            entered.add(cell.name)
            votes = Counter(known[sink.name] for sink in sinks if sink.name in known)
            # The order of names decides between equals, so that the result is always the same.
            known[cell.name] = min(votes, key=lambda path: (-votes[path], path), default=())
            stack.pop()


def _size(counts: dict[str, int]) -> int:
    return sum(counts[resource] for resource in RESOURCES)
