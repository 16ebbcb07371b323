# SPDX-License-Identifier: BSD-2-Clause
"""The fit behind the estimate, and the page that tells its error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from benchmarks.estimator_fit import Sample, fit_family, fit_quantity, report
from benchmarks.page import with_section

from celosia.estimate.features import LOGIC, features
from celosia_hw.config import AcceleratorConfig


def configurations(family: str) -> Iterator[AcceleratorConfig]:
    """Random ones of a family."""
    rng = np.random.default_rng(11)
    sizes = (2, 4) if family == "ice40" else (2, 4, 8, 16)
    kinds = ("mac16", "fabric") if family == "ice40" else ("mult18", "mult18_pair")
    while True:
        rows, lanes = (int(rng.choice(sizes)) for _ in range(2))
        yield AcceleratorConfig(
            output_channels=rows,
            input_channels=lanes,
            chain_rows=int(rng.integers(2, rows + 1)),
            accumulator_bits=int(rng.integers(22, 33)),
            chain_bits=int(rng.integers(16, 23)),
            multiplier_bits=int(rng.integers(16, 33)),
            requantize_lanes=int(rng.choice([q for q in (1, 2, 4, 8) if q <= min(rows, lanes)])),
            multipliers=str(rng.choice(kinds)),
            scratch_single_port=family == "ice40",
        )


@pytest.mark.parametrize("family", ["ice40", "ecp5"])
def test_a_fit_finds_the_coefficients_that_made_its_data(family: str) -> None:
    rng = np.random.default_rng(5)
    wanted = {name: float(rng.uniform(0.5, 5)) for name in LOGIC[family]}
    data = [
        (config, sum(wanted[name] * features(config)[name] for name in wanted))
        for config, _ in zip(configurations(family), range(20), strict=False)
    ]
    found = fit_quantity(LOGIC[family], data)
    assert found == pytest.approx(wanted, rel=1e-3)


def test_no_coefficient_is_negative_and_few_builds_give_few_features() -> None:
    rng = np.random.default_rng(6)
    data = [
        (config, float(rng.uniform(1000, 5000)))
        for config, _ in zip(configurations("ecp5"), range(12), strict=False)
    ]
    assert min(fit_quantity(LOGIC["ecp5"], data).values()) >= 0
    assert set(fit_quantity(LOGIC["ecp5"], data[:2])) == {"top"}


def test_errors_are_of_builds_that_were_left_out() -> None:
    config = AcceleratorConfig()
    sizes = (1000, 2000, 4000)
    samples = [
        Sample(
            replace(config, weight_depth=256 + size),
            dict.fromkeys(("lut", "ff", "logic_cells", "bram", "spram", "dsp"), size),
            None if size == 1000 else size / 100,
        )
        for size in sizes
    ]
    # With the clock of two builds and one feature, each is predicted to be the other.
    result = fit_family("ice40", samples)
    assert result.errors["period_ns"] == pytest.approx([-0.5, 1.0])
    assert result.exact == {"bram": 0, "spram": 0, "dsp": 0}
    text = report({"ice40": result}, "2026-01-01")
    assert "| ice40 | clock | 2 | 75.0 % | 100.0 % |" in text
    assert "| ice40 | multipliers | 3 | 0 of 3 exact | |" in text


def test_sections_of_a_page_are_replaced_alone() -> None:
    page = with_section("", "one", "# One\n")
    page = with_section(page, "two", "## Two\n")
    changed = with_section(page, "one", "# New\nlines\n")
    assert changed == page.replace("# One\n", "# New\nlines\n")
    assert with_section(changed, "one", "# One\n") == page
    broken = page.replace("<!-- end of benchmarks.two -->\n", "")
    with pytest.raises(ValueError, match="benchmarks.two does not end"):
        with_section(broken, "two", "")
