# SPDX-License-Identifier: BSD-2-Clause
"""CONV, CHAIN and MAX on numpy: the accumulators that an instruction emits, and their storing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import ADDRESS_BITS, Opcode
from celosia_sim.program_model.arithmetic import (
    Int64Array,
    ProgramError,
    first_pass,
    require_bits,
    second_pass,
    wrap,
)
from celosia_sim.program_model.ring import RowMemory

Fields = Mapping[str, int]
SPACE = 1 << ADDRESS_BITS
#: Bytes of inputs that are gathered at a time.
CHUNK = 1 << 22


class Machine:
    """Memories of an accelerator and one method that executes an instruction.

    ``scratch`` has all 2^20 addresses; those beyond the configured size hold unspecified bytes.
    """

    def __init__(self, config: AcceleratorConfig, seed: int = 0) -> None:
        self.config = config
        chance = np.random.default_rng(seed)
        self.scratch = chance.integers(0, 256, SPACE, dtype=np.uint8)
        self.weights = RowMemory("weights", config.weight_depth, 4 * config.weight_chunks)
        row = 4 * config.parameter_chunks
        self.parameters = RowMemory("parameters", config.parameter_depth, row)

    def execute(self, opcode: Opcode, f: Fields) -> None:
        """One CONV, CHAIN or MAX."""
        for group, accumulators in self._accumulators(opcode, f):
            self._store(opcode, f, group, accumulators)

    def fill(self, f: Fields) -> None:
        lines = f["out_base"] + np.arange(f["lines"]) * f["out_line"]
        index = lines[:, None] + np.arange(f["positions"])
        self._write(index, np.full(index.shape, f["zero_point"], dtype=np.int64))

    def _write(self, index: Int64Array, values: Int64Array) -> None:
        index = index % SPACE
        if index.size and index.max() >= self.config.scratch_bytes:
            raise ProgramError(f"a store to address {index.max():#x}, beyond the scratchpad")
        self.scratch[index] = values.astype(np.int8).view(np.uint8)

    # --- the array -------------------------------------------------------------------------------

    def _accumulators(self, opcode: Opcode, f: Fields) -> Iterator[tuple[int, Int64Array]]:
        """For each group the sums or maxima (lines, positions, values), positions that emit."""
        lanes = self.config.input_channels
        taps = _span(f, "ky", "kx", "c")
        words = f["weight_words"] if opcode != Opcode.MAX else 0
        if opcode != Opcode.MAX and words != len(taps):
            raise ProgramError(f"{words} words for {len(taps)} taps")
        shared = bool(f["weights_shared"])
        base = f["weight_base"]
        weights = np.zeros(0)
        for group in range(f["groups"]):
            if words and (group == 0 or not shared):
                weights = self._weights(f, base, words)
                base = (base + words) % self.config.weight_depth
            x_base = f["in_base"] + group * f["in_group"]
            positions = x_base + _grid(f["lines"], f["in_line"], f["positions"], f["in_position"])
            emitted = []
            size = max(1, CHUNK // (len(taps) * lanes * f["positions"]))
            for first in range(0, f["lines"], size):
                x = self._gather(positions[first : first + size], taps)
                emitted.append(self._reduce(opcode, f, x, weights))
            yield group, np.concatenate(emitted)

    def _weights(self, f: Fields, base: int, words: int) -> npt.NDArray[np.float64]:
        several = f["lines"] * f["positions"] > 1 or (f["weights_shared"] and f["groups"] > 1)
        rows = self.weights.take(base, words, ring=bool(f["weights_ring"]), at_once=bool(several))
        shape = (words, self.config.output_channels, self.config.input_channels)
        return rows.view(np.int8).reshape(shape).astype(np.float64)

    def _gather(self, positions: Int64Array, taps: Int64Array) -> npt.NDArray[np.int8]:
        """(lines, positions, taps, lanes)."""
        lanes = np.arange(self.config.input_channels)
        index = positions[:, :, None, None] + taps[:, None] + lanes
        return np.asarray(self.scratch[index % SPACE]).view(np.int8)

    def _reduce(
        self,
        opcode: Opcode,
        f: Fields,
        x: npt.NDArray[np.int8],
        weights: npt.NDArray[np.float64],
    ) -> Int64Array:
        if opcode == Opcode.MAX:
            return np.asarray(x.max(axis=2), dtype=np.int64)
        # Doubles hold these sums exactly: they stay far below 2^53.
        if opcode == Opcode.CONV:
            lines, positions = x.shape[:2]
            flat = x.reshape(lines * positions, -1).astype(np.float64)
            matrix = weights.transpose(0, 2, 1).reshape(flat.shape[1], -1)
            sums: Int64Array = (flat @ matrix).astype(np.int64)
            return sums.reshape(lines, positions, -1)
        return self._chain(f, x, weights)

    def _chain(
        self, f: Fields, x: npt.NDArray[np.int8], weights: npt.NDArray[np.float64]
    ) -> Int64Array:
        rows = self.config.chain_rows
        # products[line, position, row, lane]: what a position adds to each row.
        products = np.einsum("abtl,trl->abrl", x.astype(np.float64), weights[:, :rows])
        lines, positions, _, lanes = products.shape
        total = np.zeros((lines, positions, lanes))
        for row in range(rows):
            moves = rows - 1 - row
            if moves < positions:
                total[:, moves:] += products[:, : positions - moves, row]
        emitted = total[:, f["skip"] :].astype(np.int64)
        return wrap(emitted, self.config.chain_bits)

    # --- requantizer and store -------------------------------------------------------------------

    def _store(self, opcode: Opcode, f: Fields, group: int, accumulators: Int64Array) -> None:
        config = self.config
        lanes = config.output_channels if opcode == Opcode.CONV else config.input_channels
        values = f["tail"] if group == f["groups"] - 1 else lanes
        if values > lanes:
            raise ProgramError(f"{values} values of an emission of {lanes}")
        bias, m, s, t = (p[:values] for p in self._parameters(f, group, lanes))
        emission = accumulators[:, :, :values]
        v = emission + bias
        require_bits(v, config.accumulator_bits, "accumulators")
        clamp = (-128, 127) if f["second_pass"] else (f["low"], f["high"])
        y = first_pass(v, (m, s, t), f["zero_point"], clamp)
        lines, positions = emission.shape[:2]
        out = f["out_base"] + group * f["out_group"]
        grid = out + _grid(lines, f["out_line"], positions, f["out_position"])
        index = grid[:, :, None] + np.arange(values)
        if f["second_pass"]:
            y = self._second_pass(f, y, index, lanes)
        self._write(index, y)

    def _parameters(
        self, f: Fields, group: int, lanes: int
    ) -> tuple[Int64Array, Int64Array, Int64Array, Int64Array]:
        """Of each value: bias, multiplier, shift, and what a tie adds."""
        config = self.config
        count = lanes // config.requantize_lanes
        ring = bool(f["parameters_ring"])
        if f["parameters_uniform"]:
            if group == 0:
                self._uniform = self.parameters.take(
                    f["parameter_base"], 1, ring=ring, at_once=True
                )
            rows = np.repeat(self._uniform, count, axis=0)
        else:
            base = (f["parameter_base"] + group * count) % config.parameter_depth
            rows = self.parameters.take(base, count, ring=ring, at_once=True)
        raw = rows.reshape(lanes, 4 * config.parameter_units)
        values = [int.from_bytes(entry.tobytes(), "little") for entry in raw]
        a, b = config.accumulator_bits, config.multiplier_bits
        bias = wrap(np.array([v & ((1 << a) - 1) for v in values], dtype=np.int64), a)
        m = np.array([v >> a & ((1 << b) - 1) for v in values], dtype=np.int64)
        s = np.array([v >> a + b & 31 for v in values], dtype=np.int64) + config.least_shift
        t = np.array([(v >> a + b + 5 & 1) << b - 1 for v in values], dtype=np.int64)
        return bias, m, s, t

    def _second_pass(self, f: Fields, y: Int64Array, index: Int64Array, lanes: int) -> Int64Array:
        base = f["table_base"]
        if base % self.config.word_bytes:
            raise ProgramError(f"a table at {base:#x} is not aligned to words")
        tables = self.scratch[base : base + 2048].view("<i4").astype(np.int64)
        other: npt.NDArray[np.int64] = np.zeros_like(y)
        if f["residual"]:
            names = ("out_base", "out_group", "out_line", "out_position", "residual_delta")
            if bad := [name for name in names if f[name] % lanes]:
                raise ProgramError(f"{', '.join(bad)} of a residual is no multiple of {lanes}")
            residual = self.scratch[(index + f["residual_delta"]) % SPACE].view(np.int8)
            other = tables[256 + residual.astype(np.int64) + 128]
        elif tables[256:].any():
            raise ProgramError("a second pass without a residual has a table for it")
        return second_pass(tables[y + 128] + other, f["shift2"], (f["low"], f["high"]))


def _grid(lines: int, line: int, positions: int, position: int) -> Int64Array:
    return np.arange(lines)[:, None] * line + np.arange(positions) * position


def _span(f: Fields, *names: str) -> Int64Array:
    """Addresses of the taps relative to their position."""
    ky, kx, c = (np.arange(f[f"taps_{name}"]) * f[f"in_{name}"] for name in names)
    return (ky[:, None, None] + kx[None, :, None] + c).ravel()
