# SPDX-License-Identifier: BSD-2-Clause
"""The estimate: blocks are counted, logic and clock come from a model fitted to real builds."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

from celosia_hw.boards import Board, MemoryKind
from celosia_hw.config import AcceleratorConfig

from .blocks import block_counts
from .features import features

#: The coefficients, written by benchmarks/estimator.py.
MODEL = "model.json"
#: How messages and tables name resources.
TITLES = {
    "lut": "LUTs",
    "ff": "flip-flops",
    "logic_cells": "logic cells",
    "bram": "block RAMs",
    "spram": "SPRAMs",
    "dsp": "multipliers",
}


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What an accelerator will take of its device, with the host link around it.

    Attributes:
        used: ``lut``, ``ff``, ``bram``, ``spram``, ``dsp`` and ``logic_cells``, as ``build`` counts
            them. Those of ``bram``, ``spram`` and ``dsp`` are exact.
        available: the same of the device; 0 where it has none.
        clock_mhz: frequency that the design will reach.
        fitted: date of the builds behind logic and clock.
    """

    used: dict[str, int]
    available: dict[str, int]
    clock_mhz: float
    fitted: str

    @property
    def exceeded(self) -> list[str]:
        """What there is too little of, as text such as ``6,100 of 5,280 logic cells``."""
        return [
            f"{used:,} of {self.available[name]:,} {TITLES[name]}"
            for name, used in self.used.items()
            if used > self.available[name]
        ]

    def to_dict(self) -> dict[str, Any]:
        """In types that JSON has."""
        return {
            "resources": {
                name: {"used": used, "available": self.available[name]}
                for name, used in self.used.items()
            },
            "clock_mhz": self.clock_mhz,
            "fits": not self.exceeded,
            "exceeded": self.exceeded,
            "fitted": self.fitted,
        }


def estimate(board: Board, config: AcceleratorConfig) -> Estimate:
    """Predicts what ``celosia build`` will report of the accelerator ``config`` on ``board``."""
    model = _model()[board.family]
    found = features(config)

    def predict(coefficients: dict[str, float]) -> float:
        return sum(factor * found[name] for name, factor in coefficients.items())

    logic = {name: round(predict(model[name])) for name in ("lut", "ff", "logic_cells")}
    return Estimate(
        used=logic | block_counts(board.family, config),
        available=_available(board),
        clock_mhz=round(1000 / predict(model["period_ns"]), 1),
        fitted=model["date"],
    )


def _available(board: Board) -> dict[str, int]:
    """Both families have a flip-flop beside each LUT."""
    memories = {memory.kind: memory.blocks for memory in board.memories}
    luts = board.device.luts
    return {
        "lut": luts,
        "ff": luts,
        "logic_cells": luts,
        "bram": memories.get(MemoryKind.EBR, 0) + memories.get(MemoryKind.DP16KD, 0),
        "spram": memories.get(MemoryKind.SPRAM, 0),
        "dsp": board.multipliers,
    }


@functools.cache
def _model() -> dict[str, Any]:
    text = resources.files(__package__).joinpath(MODEL).read_text(encoding="utf-8")
    model: dict[str, Any] = json.loads(text)
    return model
