# SPDX-License-Identifier: BSD-2-Clause
"""The cocotb bench for a whole accelerator: carries out the jobs that it finds in folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cocotb

from celosia_hw.isa import Register, Space, Status
from celosia_sim.rtl.host import ExternalMemory, Host
from celosia_sim.rtl.job import Job, Run


@cocotb.test()
async def run_jobs(dut: Any) -> None:
    host = Host(dut)
    for name in os.environ["CELOSIA_JOBS"].split(os.pathsep):
        await run_job(dut, host, Path(name))


async def run_job(dut: Any, host: Host, directory: Path) -> None:
    """Resets the accelerator and carries out the job in ``directory``; the memories keep what the
    job before has left there."""
    job = Job.load(directory)
    report = (directory / "progress").open("w", buffering=1)
    await host.reset()
    memory = None
    if job.external:
        external = ExternalMemory(dut, job.external, rate=job.external_rate)
        memory = cocotb.start_soon(external.run())
    for section in job.sections:
        await host.write_memory(Space(section.space), section.address, section.content)

    runs: list[Run] = []
    for number, parts in enumerate(job.inputs):

        def progress(instruction: int, cycles: int, number: int = number) -> None:
            report.write(f"{number} {instruction} {cycles}\n")

        for address, content in parts:
            await host.write_memory(Space.SCRATCH, address, content)
        steps: list[list[bytes]] = []
        if job.steps is None:
            await host.start(job.start, watchdog=job.watchdog)
            status = await host.wait(progress=progress)
        else:
            status = 0
            for index, reads in enumerate(job.steps):
                if index == 0:
                    await host.start(job.start, watchdog=job.watchdog, breakpoint_at=1)
                else:
                    await host.resume(breakpoint_at=index + 1)
                status = await host.wait(poll_cycles=100, progress=progress)
                steps.append([await host.read_memory(*read) for read in reads])
                if status >> Status.ERROR & 15:
                    break
        runs.append(
            Run(
                status=status,
                cycles=await host.read(Register.CYCLES),
                reads=[await host.read_memory(*read) for read in job.reads],
                steps=steps,
            )
        )
        if status >> Status.ERROR & 15:
            break
    Run.save_all(runs, directory)
    if memory is not None:
        memory.cancel()
