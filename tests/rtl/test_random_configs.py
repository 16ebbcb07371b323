# SPDX-License-Identifier: BSD-2-Clause
"""Random configurations give the bytes of the integer reference with models that fill them.

benchmarks/configurations.py runs many more, and tells what they cover.
"""

from __future__ import annotations

import pytest

from celosia_sim.random_configs import random_case, run_case, sized_shapes
from celosia_sim.random_configs.coverage import Coverage, cells, config_levels, model_levels

#: Of each case's models, which make 60 pairs in all.
MODELS = 3
CASES = 20


@pytest.mark.long
@pytest.mark.parametrize("seed", range(CASES))
def test_random_configuration(seed: int) -> None:
    case = random_case(seed, MODELS)
    assert len(case.models) == MODELS
    result = run_case(case)
    assert not result.differences, case.config
    assert all(simulated > 0 for _, simulated in result.cycles)


def test_a_case_depends_on_its_seed_alone() -> None:
    first, again, other = random_case(3, 2), random_case(3, 2), random_case(5, 2)
    assert first.config == again.config != other.config
    assert [model.seed for model in first.models] == [model.seed for model in again.models]


def test_sizing_returns_configurations_of_each_kind() -> None:
    """What is run as that of a board is that of a board, and all families are among them."""
    shapes = sized_shapes()
    assert len({shape.name for shape in shapes}) == len(shapes)
    kinds = {(shape.config.multipliers, shape.config.scratch_single_port) for shape in shapes}
    assert kinds == {("mac16", True), ("mult18", False), ("mult18_pair", False)}


def test_what_is_met_can_be_met() -> None:
    coverage = Coverage()
    for seed in range(21, 29):
        case = random_case(seed, 2)
        for model in case.models:
            coverage.add({**config_levels(case.config), **model_levels(model)})
    possible = set(cells())
    assert set(coverage.counts) <= possible
    assert sum(coverage.counts.values()) == 16 * len(coverage.table())
    assert len(coverage.empty()) == len(possible) - len(coverage.counts) > 0
