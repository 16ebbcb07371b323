# SPDX-License-Identifier: BSD-2-Clause
"""Runs jobs on a compiled simulation, in a process of its own."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

from celosia.errors import ToolError
from celosia.output_files import disk_errors

from .build import TIMESCALE, simulator_of
from .job import Job, Run
from .toolchain import tool_context

#: Called with the number of the input, the instruction at work, and the cycles so far.
Progress = Callable[[int, int, int], None]


def run_bench(
    build_directory: Path,
    *,
    toplevel: str,
    module: str,
    directory: Path,
    environment: dict[str, str],
    trace: Path | None = None,
) -> None:
    """Runs the cocotb tests of ``module`` on a simulation from ``build``, in ``directory``.

    Raises:
        ToolError: a test failed, there is none, or the simulator failed; the message shows where in
            the log.
    """
    log = directory / "simulation.log"
    logging.getLogger("cocotb").setLevel(logging.WARNING)
    with tool_context(), contextlib.redirect_stdout(io.StringIO()):
        runner = get_runner(simulator_of(build_directory).value)
        runner.log.setLevel(logging.CRITICAL)
        results = directory / "results.xml"
        try:
            runner.test(
                test_module=module,
                hdl_toplevel=toplevel,
                hdl_toplevel_lang="verilog",
                build_dir=build_directory,
                test_dir=directory,
                results_xml=str(results),
                timescale=TIMESCALE,
                extra_env={**environment, "COCOTB_ANSI_OUTPUT": "0"},
                log_file=log,
                test_args=["--trace-file", str(trace)] if trace is not None else [],
                waves=trace is not None,
            )
            tests, failed = get_results(results)
            if tests and not failed:
                return
            failure = f"{failed} of {tests} tests failed"
        except SystemExit as error:
            failure = f"exit code {error}"
        except Exception as error:
            failure = str(error)
    excerpt = _excerpt(log.read_text()) if log.exists() else ""
    raise ToolError(f"the simulation of {toplevel} failed: {failure}\n{excerpt}")


def _excerpt(log: str) -> str:
    """The lines from the first failure of a test on; else the last ones."""
    lines = log.splitlines()
    for index, line in enumerate(lines):
        if line.endswith(" failed"):
            return "\n".join(lines[index : index + 30])
    return "\n".join(lines[-25:])


def run_job(
    build_directory: Path,
    job: Job,
    *,
    toplevel: str = "celosia",
    trace: Path | None = None,
    progress: Progress | None = None,
) -> list[Run]:
    """Carries out ``job``; one result for each input, fewer if a run ended with an error.

    Raises:
        ToolError: the simulator failed.
        OutputError: the folder for temporary files cannot be written.
    """
    (runs,) = run_jobs(build_directory, [job], toplevel=toplevel, trace=trace, progress=progress)
    return runs


@disk_errors("the folder for temporary files", "make room there, or set TMPDIR")
def run_jobs(
    build_directory: Path,
    jobs: Sequence[Job],
    *,
    toplevel: str = "celosia",
    trace: Path | None = None,
    progress: Progress | None = None,
) -> list[list[Run]]:
    """Carries out ``jobs`` in one simulation, each behind a reset; the results of each as
    ``run_job`` gives them. ``progress`` hears of the first one.

    Raises:
        ToolError: the simulator failed.
        OutputError: the folder for temporary files cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="celosia-") as name:
        directory = Path(name)
        places = [directory / str(number) for number in range(len(jobs))]
        for job, place in zip(jobs, places, strict=True):
            place.mkdir()
            job.save(place)
        finished = threading.Event()
        watcher = threading.Thread(
            target=_watch, args=(places[0] / "progress", finished, progress), daemon=True
        )
        if progress is not None:
            watcher.start()
        try:
            run_bench(
                build_directory,
                toplevel=toplevel,
                module="celosia_sim.rtl.bench",
                directory=directory,
                environment={"CELOSIA_JOBS": os.pathsep.join(map(str, places))},
                trace=trace,
            )
        finally:
            finished.set()
            if progress is not None:
                watcher.join()
        return [Run.load_all(place) for place in places]


def _watch(path: Path, finished: threading.Event, progress: Progress | None) -> None:
    """Passes on the lines that the bench appends to ``path``."""
    assert progress is not None
    position = 0
    while not finished.wait(0.2):
        if not path.exists():
            continue
        with path.open() as file:
            file.seek(position)
            for line in file:
                if not line.endswith("\n"):
                    break
                position += len(line)
                number, instruction, cycles = map(int, line.split())
                progress(number, instruction, cycles)
