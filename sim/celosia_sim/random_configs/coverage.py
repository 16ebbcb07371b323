# SPDX-License-Identifier: BSD-2-Clause
"""Which pairs of parameter values a set of cases has met."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations

from celosia.compiler.streams import Stream
from celosia_hw.config import ARRAY_SIZES, MULTIPLIERS, AcceleratorConfig
from celosia_hw.isa import Opcode, Source

from .draw import Model

_WIDTHS = ("16-19", "20-23", "24-27", "28-31", "32")
_DEPTHS = ("power of two", "other")
_SIZES = ("up to 256", "up to 512", "up to 1024", "beyond 1024")
_SOURCES = tuple(source.name.lower() for source in Source)
_USES = ("last row", "spare rows", "wraps around", "none")

#: All parameters, with the values that they are told apart by.
PARAMETERS: dict[str, tuple[str, ...]] = {
    "output channels": tuple(map(str, ARRAY_SIZES)),
    "input channels": tuple(map(str, ARRAY_SIZES)),
    "multipliers": MULTIPLIERS,
    "scratchpad ports": ("one", "two"),
    "chain rows": ("2", "3", "4", "5 or more"),
    "requantizer lanes": ("1", "2", "4", "8"),
    "scratchpad size": _DEPTHS,
    "scratchpad words": ("up to 512", "up to 4096", "beyond 4096"),
    "weight depth": _DEPTHS,
    "weight rows": _SIZES,
    "weight memory": _USES,
    "weights": (*_SOURCES, "none"),
    "parameter depth": _DEPTHS,
    "parameter rows": _SIZES,
    "parameter memory": _USES[:3],
    "accumulator bits": _WIDTHS[1:],
    "chain bits": _WIDTHS,
    "multiplier bits": _WIDTHS,
    "model": ("residual", "second pass", "border", "plain"),
}
#: What cannot be met together, as (parameter, value) pairs.
_EXCLUDED: set[frozenset[tuple[str, str]]] = set()


def _exclude(first: tuple[str, str], second: str, values: Iterable[str]) -> None:
    _EXCLUDED.update(frozenset((first, (second, value))) for value in values)


for _rows in ("2", "4"):
    # No more chain rows than rows, no more requantizer lanes than either.
    _exclude(("output channels", _rows), "chain rows", PARAMETERS["chain rows"][int(_rows) - 1 :])
    for _side in ("output channels", "input channels"):
        _exclude((_side, _rows), "requantizer lanes", {"2": ("4", "8"), "4": ("8",)}[_rows])
for _index, _wide in enumerate(_WIDTHS):
    # Depthwise sums are not wider than accumulators.
    if _wide in PARAMETERS["accumulator bits"]:
        _exclude(("accumulator bits", _wide), "chain bits", _WIDTHS[_index + 1 :])
# A ring is what does not fit; a resident model, or one without weights, does not wrap around.
_exclude(("weights", "resident"), "weight memory", ("wraps around", "none"))
_exclude(("weights", "none"), "weight memory", ("last row", "spare rows", "wraps around"))
for _source in ("scratch", "external"):
    _exclude(("weights", _source), "weight memory", ("last row", "spare rows", "none"))


def config_levels(config: AcceleratorConfig) -> dict[str, str]:
    """The values of the parameters that a configuration has."""
    words = config.scratch_bytes // config.word_bytes
    return {
        "output channels": str(config.output_channels),
        "input channels": str(config.input_channels),
        "multipliers": config.multipliers,
        "scratchpad ports": "one" if config.scratch_single_port else "two",
        "chain rows": str(config.chain_rows) if config.chain_rows < 5 else "5 or more",
        "requantizer lanes": str(config.requantize_lanes),
        "scratchpad size": _kind(config.scratch_bytes),
        "scratchpad words": _bounded(words, PARAMETERS["scratchpad words"], (512, 4096)),
        "weight depth": _kind(config.weight_depth),
        "weight rows": _bounded(config.weight_depth, _SIZES, (256, 512, 1024)),
        "parameter depth": _kind(config.parameter_depth),
        "parameter rows": _bounded(config.parameter_depth, _SIZES, (256, 512, 1024)),
        "accumulator bits": _width(config.accumulator_bits),
        "chain bits": _width(config.chain_bits),
        "multiplier bits": _width(config.multiplier_bits),
    }


def model_levels(model: Model) -> dict[str, str]:
    """The values of those that a model has on its configuration."""
    plan = model.plan
    has_weights = plan.weights.rows > 0
    return {
        "weight memory": _use(plan.weights) if has_weights else "none",
        "weights": plan.weights.source.name.lower() if has_weights else "none",
        "parameter memory": _use(plan.parameters),
        "model": _features(model),
    }


@dataclass
class Coverage:
    """Counts of the pairs of values that were met."""

    counts: dict[tuple[str, str, str, str], int] = field(default_factory=dict)

    def add(self, values: dict[str, str]) -> None:
        for first, second in combinations(PARAMETERS, 2):
            cell = (first, values[first], second, values[second])
            self.counts[cell] = self.counts.get(cell, 0) + 1

    def empty(self) -> list[str]:
        """The pairs that can be met and were not."""
        return [
            f"{first} {a} with {second} {b}"
            for first, a, second, b in cells()
            if not self.counts.get((first, a, second, b))
        ]

    def table(self) -> list[str]:
        """For each pair of parameters a line: how many pairs of values there are, and how often
        the rarest one was met."""
        lines = []
        for first, second in combinations(PARAMETERS, 2):
            of = [cell for cell in cells() if (cell[0], cell[2]) == (first, second)]
            least = min(self.counts.get(cell, 0) for cell in of)
            lines.append(f"{first:18} {second:18} {len(of):4} pairs, each met {least:5} times")
        return lines


def cells() -> Iterator[tuple[str, str, str, str]]:
    """All pairs of values that can be met."""
    for first, second in combinations(PARAMETERS, 2):
        for a in PARAMETERS[first]:
            for b in PARAMETERS[second]:
                if frozenset(((first, a), (second, b))) not in _EXCLUDED:
                    yield first, a, second, b


def _kind(number: int) -> str:
    return _DEPTHS[number & (number - 1) != 0]


def _bounded(number: int, names: tuple[str, ...], bounds: tuple[int, ...]) -> str:
    return names[sum(number > bound for bound in bounds)]


def _width(bits: int) -> str:
    return _WIDTHS[(bits - 16) // 4]


def _use(stream: Stream) -> str:
    if stream.source != Source.RESIDENT:
        return "wraps around"
    return "last row" if stream.rows == stream.depth else "spare rows"


def _features(model: Model) -> str:
    """The rarest thing that the model has."""
    steps = model.plan.steps
    second = [step.second for step in steps if step.second is not None]
    if any(passed.residual is not None for passed in second):
        return "residual"
    if second:
        return "second pass"
    return "border" if any(step.opcode == Opcode.FILL for step in steps) else "plain"
