# SPDX-License-Identifier: BSD-2-Clause
"""The whole accelerator executes random programs as the program model does, byte for byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import Source, Status
from celosia_hw.verilog import to_verilog
from celosia_sim.accelerator import job_for, outputs_of
from celosia_sim.program_model import ProgramModel
from celosia_sim.random_programs import random_program
from celosia_sim.rtl.build import build
from celosia_sim.rtl.run import run_jobs

COMMON: dict[str, Any] = {"scratch_bytes": 1 << 16, "weight_depth": 640, "parameter_depth": 160}
CONFIGS = [
    AcceleratorConfig(output_channels=4, input_channels=4, chain_rows=3, **COMMON),
    AcceleratorConfig(
        output_channels=2, input_channels=2, chain_rows=2, requantize_lanes=2, **COMMON
    ),
    AcceleratorConfig(
        output_channels=8,
        input_channels=16,
        chain_rows=4,
        requantize_lanes=4,
        scratch_single_port=False,
        accumulator_bits=32,
        multiplier_bits=32,
        multipliers="mult18_pair",
        **COMMON,
    ),
    *(
        AcceleratorConfig(
            output_channels=rows,
            input_channels=lanes,
            chain_rows=2,
            requantize_lanes=2,
            scratch_single_port=False,
            multipliers="mult18",
            **COMMON,
        )
        for rows, lanes in ((4, 4), (2, 2), (2, 4), (4, 2), (8, 4))
    ),
    AcceleratorConfig(
        output_channels=16,
        input_channels=2,
        chain_rows=5,
        scratch_single_port=False,
        multipliers="mult18",
        **COMMON,
    ),
]
INSTRUCTIONS = 6


@pytest.mark.parametrize(
    "config", CONFIGS, ids=lambda config: f"{config.name}-{config.multipliers}"
)
def test_random_programs(config: AcceleratorConfig) -> None:
    jobs, expected = [], []
    for seed in range(3):
        for source in Source:
            image = random_program(config, seed, instructions=INSTRUCTIONS, source=source)
            job = job_for(image, [[]], external_rate=(0.5, 1.5, 4.0)[seed % 3])
            job.watchdog = 1_000_000
            jobs.append(job)
            expected.append((seed, source, image, ProgramModel(image).outputs([])[0]))
    built = build(to_verilog(config), toplevel="celosia")
    for (seed, source, image, output), (run,) in zip(expected, run_jobs(built, jobs), strict=True):
        assert run.status == (INSTRUCTIONS + 1) << Status.INSTRUCTION | 1 << Status.DONE
        actual = outputs_of(image, run)[0]
        assert np.array_equal(actual, output), (seed, source)
