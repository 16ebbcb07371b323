# SPDX-License-Identifier: BSD-2-Clause
"""Least squares for the estimator, and its error on builds that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from celosia.estimate.blocks import block_counts
from celosia.estimate.estimate import TITLES
from celosia.estimate.features import CLOCK, LOGIC, features
from celosia_hw.config import AcceleratorConfig

LOGIC_RESOURCES = ("lut", "ff", "logic_cells")
BLOCK_RESOURCES = ("bram", "spram", "dsp")
_TITLES = TITLES | {"period_ns": "clock"}


@dataclass(frozen=True)
class Sample:
    """What a build took; its clock is None if it was not routed."""

    config: AcceleratorConfig
    used: dict[str, int]
    fmax_mhz: float | None


@dataclass(frozen=True)
class Fit:
    """Coefficients of each quantity, and relative errors of builds left out of the fit in turn.

    ``exact`` has, of memory blocks and multipliers, how many builds were counted right.
    """

    coefficients: dict[str, dict[str, float]]
    errors: dict[str, list[float]]
    exact: dict[str, int]
    builds: int


Data = Sequence[tuple[AcceleratorConfig, float]]


def fit_quantity(names: Sequence[str], data: Data) -> dict[str, float]:
    """Coefficients with the least squares of relative errors, none of them negative.

    The features are the first of ``names``, fewer than there are builds. That which comes out most
    negative is left out, until none is: nothing gets smaller by having more of something.
    """
    chosen = list(names[: max(1, len(data) - 1)])
    values = np.array([value for _, value in data])
    while True:
        matrix = np.array([[features(config)[name] for name in chosen] for config, _ in data])
        # Columns of similar size keep what is computed exact enough.
        size = np.maximum(np.abs(matrix).max(axis=0), 1e-9)
        solution, *_ = np.linalg.lstsq(matrix / size / values[:, None], np.ones(len(data)))
        coefficients = dict(zip(chosen, (solution / size).tolist(), strict=True))
        worst = min(chosen, key=lambda name: coefficients[name])
        if coefficients[worst] >= 0 or len(chosen) == 1:
            return {name: float(f"{factor:.6g}") for name, factor in coefficients.items()}
        chosen.remove(worst)


def predict(coefficients: dict[str, float], config: AcceleratorConfig) -> float:
    found = features(config)
    return sum(factor * found[name] for name, factor in coefficients.items())


def fit_family(family: str, samples: Sequence[Sample]) -> Fit:
    """Fits logic and clock of a family; compares the count of blocks."""
    data: dict[str, Data] = {
        name: [(s.config, s.used[name]) for s in samples] for name in LOGIC_RESOURCES
    }
    data["period_ns"] = [(s.config, 1000 / s.fmax_mhz) for s in samples if s.fmax_mhz]
    coefficients, errors = {}, {}
    for name, known in data.items():
        if not known:
            raise SystemExit(f"{family}: no build that was routed")
        used = CLOCK[family] if name == "period_ns" else LOGIC[family]
        coefficients[name] = fit_quantity(used, known)
        errors[name] = _left_out(used, known)
    exact = {
        name: sum(block_counts(family, s.config)[name] == s.used[name] for s in samples)
        for name in BLOCK_RESOURCES
    }
    return Fit(coefficients, errors, exact, len(samples))


def _left_out(names: Sequence[str], data: Data) -> list[float]:
    """The relative error of each build, predicted by a fit of all others."""
    found = []
    for index, (config, value) in enumerate(data):
        others = [*data[:index], *data[index + 1 :]]
        if others:
            found.append(predict(fit_quantity(names, others), config) / value - 1)
    return found


def report(fits: dict[str, Fit], date: str) -> str:
    """The section of the page."""
    lines = [
        "## Estimates before synthesis",
        "",
        "Error of what `celosia generate` estimates, on builds that the fit has not seen: each was",
        "left out in turn. Block RAMs, SPRAMs and multipliers are counted, not fitted. Written by",
        "",
        "    python -m benchmarks.estimator fit",
        "",
        f"on {date}, from the builds in `benchmarks/results`.",
        "",
        "| family | what | builds | mean error | largest error |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for family, result in fits.items():
        for name, errors in result.errors.items():
            if errors:
                size = np.abs(errors)
                lines.append(
                    f"| {family} | {_TITLES[name]} | {len(errors)} | {100 * size.mean():.1f} % | "
                    f"{100 * size.max():.1f} % |"
                )
        for name, right in result.exact.items():
            what = f"{right} of {result.builds} exact"
            lines.append(f"| {family} | {_TITLES[name]} | {result.builds} | {what} | |")
    return "\n".join(lines) + "\n"
