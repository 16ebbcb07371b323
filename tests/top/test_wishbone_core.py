# SPDX-License-Identifier: BSD-2-Clause
"""The accelerator on a Wishbone bus: a network runs, and its end interrupts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.triggers import RisingEdge
from tests.top.network import CONFIG, small_network

from celosia_hw.core import WishboneCore
from celosia_hw.isa import Register, Space, Status
from celosia_sim.accelerator import job_for, outputs_of
from celosia_sim.program_model import ProgramModel
from celosia_sim.rtl.block import block_parameters
from celosia_sim.rtl.job import Job, Run
from celosia_sim.rtl.wishbone_host import WishboneHost


def make(directory: str) -> WishboneCore:
    return WishboneCore(CONFIG)


def test_a_network_runs(run_block: Callable[..., None], tmp_path: Path) -> None:
    image = small_network(tmp_path / "small.tflite")
    rng = np.random.default_rng(5)
    inputs: list[list[npt.NDArray[np.generic]]] = [
        [rng.integers(-128, 128, image.inputs[0].shape).astype(np.int8)] for _ in range(2)
    ]
    job_for(image, inputs).save(tmp_path)
    run_block(make, directory=str(tmp_path))
    runs = Run.load_all(tmp_path)
    assert len(runs) == 2
    for run, values in zip(runs, inputs, strict=True):
        assert run.status & 0xFF == 1 << Status.DONE
        actual = outputs_of(image, run)
        for port, expected in zip(image.outputs, ProgramModel(image).outputs(values), strict=True):
            assert np.array_equal(actual[port.tensor], expected)


@cocotb.test()
async def run_job(dut: Any) -> None:
    directory = Path(block_parameters()["directory"])
    job = Job.load(directory)
    host = WishboneHost(dut)
    await host.reset()
    for section in job.sections:
        await host.write_memory(Space(section.space), section.address, section.content)
    runs = []
    for parts in job.inputs:
        for address, content in parts:
            await host.write_memory(Space.SCRATCH, address, content)
        assert not int(dut.irq.value)
        await host.start(job.start, watchdog=job.watchdog)
        await RisingEdge(dut.irq)
        status = await host.wait(poll_cycles=2)
        reads = [await host.read_memory(*read) for read in job.reads]
        runs.append(Run(status, await host.read(Register.CYCLES), reads))
    Run.save_all(runs, directory)
