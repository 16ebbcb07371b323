# SPDX-License-Identifier: BSD-2-Clause
"""Simulates one block, from its own Verilog, with a bench in Python.

The two processes of a test use the same function to make the component: pytest for its Verilog, the
bench for the names and shapes of its ports. What the function is called with goes through the
environment.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from celosia_hw.verilog import component_to_verilog

from .build import build
from .cycles import Bench
from .run import run_bench

_TOPLEVEL = "block"
_PARAMETERS = "CELOSIA_BLOCK"

#: Makes a component from parameters that JSON can carry.
Make = Callable[..., wiring.Component]


def simulate_block(
    make: Make, *, module: str, directory: Path, parameters: dict[str, Any], library: str = ""
) -> None:
    """Builds ``make(**parameters)`` and runs the cocotb tests of ``module`` on it.

    ``library`` is Verilog of the modules that the block has instances of.

    Raises:
        ToolError: a test failed, or there is none, or a tool did not work.
    """
    text = component_to_verilog(make(**parameters), name=_TOPLEVEL)
    run_bench(
        build(library + text, toplevel=_TOPLEVEL),
        toplevel=_TOPLEVEL,
        module=module,
        directory=directory,
        environment={_PARAMETERS: json.dumps(parameters)},
    )


def block_parameters() -> dict[str, Any]:
    """What ``simulate_block`` was called with, inside of the simulation."""
    parameters: dict[str, Any] = json.loads(os.environ[_PARAMETERS])
    return parameters


async def start_bench(dut: Any, make: Make, name: str) -> Bench:
    """A bench around the block after its reset, seeded by ``name`` and the block's parameters."""
    seed = f"{name} {os.environ[_PARAMETERS]}"
    bench = Bench(dut, make(**block_parameters()), seed=seed)
    await bench.reset()
    return bench
