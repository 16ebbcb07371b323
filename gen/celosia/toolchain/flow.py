# SPDX-License-Identifier: BSD-2-Clause
"""From a folder that ``generate`` wrote to a bitstream whose timing is met."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from celosia.errors import BoardError, FitError, OutputError, TimingError, ToolError
from celosia.folder import MANIFEST, Folder
from celosia_hw.boards import Board, get_board
from celosia_hw.boards import BoardError as UnknownBoard
from celosia_hw.config import AcceleratorConfig

from .advice import clock_message, fit_message
from .blocks import Blocks
from .execute import Cancel
from .pack import BITSTREAM, pack
from .prepare import prepare_tools
from .resources import resource_usage
from .route import DoesNotFitError, Routed, route
from .seeds import best, try_seeds
from .sources import Sources, elaborate
from .synthesize import synthesize
from .timing import Clock, Used

#: What tells of a finished build.
RECORD = "build.json"
#: Folder of logs and of what the tools hand on to each other.
WORK = "build"

#: Called with the stage, what is done of it, how much there is to do (None: nobody knows), and
#: what is at work.
Progress: TypeAlias = Callable[[str, float, float | None, str], None]

#: The stages, in order; ``compile`` only where YoWASP's tools run for the first time.
STAGES = ("elaborate", "tools", "compile", "synthesize", "route", "pack")

#: Seeds for a device that is so full that the first one is not routed.
_SPARE_SEEDS = (2, 3, 4)
#: A constraint is the demanded frequency if it differs by no more than this part: it was rounded.
_CLOSE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Design:
    """A design that was built.

    Attributes:
        fmax_mhz: what the design's clock can run at, after routing, as nextpnr computes it.
        seed: nextpnr's seed that gave it.
        seeds: fmax in MHz of the seeds that were tried.
        resources: what is used and available of each resource.
        blocks: what each block takes.
        bitstream: the file.
        tools: versions by tool.
        stages: seconds by stage.
    """

    fmax_mhz: float
    seed: int
    seeds: dict[int, float]
    resources: dict[str, Used]
    blocks: dict[str, dict[str, int]]
    bitstream: Path
    tools: dict[str, str]
    stages: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class BuildResult:
    """What ``build.json`` says; docs/files.md describes it."""

    board: str
    device: str
    link: str
    baud_rate: float | None
    flash_offset: int | None
    fingerprint: int
    clock_mhz: float
    required_mhz: float
    fmax_mhz: float
    met: bool
    seed: int
    seeds: dict[int, float]
    resources: dict[str, dict[str, int]]
    blocks: dict[str, dict[str, int]]
    bitstream: str
    tools: dict[str, str]
    stages: dict[str, float]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """In types that JSON has."""
        record = dict(vars(self))
        record["seeds"] = {str(seed): fmax for seed, fmax in self.seeds.items()}
        return record


def build(
    directory: Path | str,
    *,
    seeds: Sequence[int] | None = None,
    clock_mhz: float | None = None,
    link: str = "uart",
    baud_rate: int | None = None,
    flash: bool | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> BuildResult:
    """Builds the bitstream of the accelerator in a folder.

    Args:
        directory: a folder that ``generate`` wrote. The bitstream, ``top.bin`` or ``top.bit``, and
            ``build.json`` are written there, both or neither, and logs into its folder ``build``.
        seeds: nextpnr's seeds to try, in this order, until one meets the clock. By default 1, and
            should nextpnr not get to an end with that, a few more.
        clock_mhz: frequency in MHz to build for; the one in the manifest by default.
        link: ``uart`` or ``spi``: how the host reaches the accelerator.
        baud_rate: bits a second of the UART, 1,000,000 by default.
        flash: whether the design boots from the board's flash memory and streams weights from
            there; by default it does where it can and there is room: on an iCE40 only if the model
            needs it.
        jobs: how many seeds are tried at the same time; as many as there are processors by default.
        progress: called with the stage (one of ``STAGES``), what is done and there is to do of it,
            and what is at work.

    Raises:
        InputError: the folder is not what ``generate`` writes, or a file in it was changed.
        BoardError: the board is unknown or cannot make the clock.
        ToolError: a tool is missing or fails.
        FitError: the design is larger than the device.
        TimingError: no seed meets the clock.
        OutputError: the folder cannot be written.
    """
    began = time.monotonic()
    directory = Path(directory)
    folder = Folder(directory)
    folder.check()
    board, config = _board(folder), folder.config
    clock_mhz = folder.clock_mhz if clock_mhz is None else clock_mhz
    if flash is None:
        flash = _wants_flash(board, folder)
    with _written_anew(directory) as work:
        stages: dict[str, float] = {}
        with _timed(stages, "elaborate", progress or _silent):
            sources = _elaborate(
                board, config, clock_mhz, link=link, baud_rate=baud_rate, flash=flash
            )
        array = (config.output_channels, config.input_channels)
        design = build_design(
            sources,
            work,
            seeds=(1,) if seeds is None else seeds,
            spare=_SPARE_SEEDS if seeds is None else (),
            jobs=jobs,
            array=array,
            progress=progress,
        )
        result = BuildResult(
            board=board.name,
            device=sources.device,
            link=sources.link,
            baud_rate=sources.baud_rate,
            flash_offset=sources.flash_offset,
            fingerprint=config.fingerprint,
            clock_mhz=sources.clock_mhz,
            required_mhz=sources.required_mhz,
            fmax_mhz=design.fmax_mhz,
            met=design.fmax_mhz >= sources.required_mhz,
            seed=design.seed,
            seeds=design.seeds,
            resources={name: used.to_dict() for name, used in design.resources.items()},
            blocks=design.blocks,
            bitstream=design.bitstream.name,
            tools=design.tools,
            stages=stages | design.stages,
            seconds=round(time.monotonic() - began, 1),
        )
        text = json.dumps(result.to_dict(), indent=2) + "\n"
        (work / RECORD).write_text(text, encoding="utf-8")
        # The record comes last: who finds it finds the bitstream too.
        os.replace(design.bitstream, directory / design.bitstream.name)
        os.replace(work / RECORD, directory / RECORD)
    return result


def build_design(
    sources: Sources,
    folder: Path,
    *,
    seeds: Sequence[int] = (1,),
    spare: Sequence[int] = (),
    jobs: int | None = None,
    all_seeds: bool = False,
    array: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> Design:
    """Builds a design's bitstream in ``folder``, which must be empty or of an earlier build.

    Args:
        sources: the design.
        folder: where the tools run; everything stays there.
        seeds: nextpnr's seeds to try.
        spare: more of them, for a device that is so full that none of ``seeds`` is routed.
        jobs: how many at the same time.
        all_seeds: try all seeds, also after one met the clock.
        array: the size of the MAC array, for advice if it is too large.
        progress: as in :func:`build`.

    Raises:
        ToolError: a tool is missing or fails.
        FitError: the design is larger than the device.
        TimingError: no seed meets the clock.
    """
    advance = progress or _silent
    stages: dict[str, float] = {}
    sources.write(folder)

    def compiling(name: str) -> None:
        advance("compile", 0, None, name)

    def passes(line: str) -> None:
        _, found, rest = line.partition("Executing ")
        if found:
            advance("synthesize", 0, None, rest.split(" ")[0].strip(".\n").lower())

    with _timed(stages, "tools", advance):
        tools = prepare_tools(sources.family, folder, compiling)
    yosys, nextpnr, packer = tools.values()

    with _timed(stages, "synthesize", advance):
        netlist = synthesize(yosys, sources, folder, passes)
    blocks = Blocks(netlist, sources.block)

    finished: list[int] = []

    def one(seed: int, cancel: Cancel) -> Routed:
        def phase(name: str) -> None:
            advance("route", len(finished), len(seeds), f"seed {seed} {name}")

        return route(nextpnr, sources, folder, seed, on_phase=phase, cancel=cancel)

    def ready(routed: Routed) -> None:
        finished.append(routed.seed)
        fmax = f"{_main_clock(routed, sources).achieved_mhz:.1f} MHz"
        advance("route", len(finished), len(seeds), f"seed {routed.seed}: {fmax}")

    with _timed(stages, "route", advance):
        workers = min(jobs or os.cpu_count() or 1, len(seeds))
        try:
            tried = try_seeds(
                one,
                seeds,
                jobs=workers,
                spare=spare,
                all_of_them=all_seeds,
                on_result=ready,
            )
        except DoesNotFitError as error:
            message = fit_message(error, sources.family, blocks, array)
            raise FitError(f"{sources.device}: {message}") from None
    chosen = best(tried)
    if not chosen.report.met:
        slowest = chosen.report.clocks[0]
        raise TimingError(
            f"{sources.device}: {clock_message(tried, slowest, blocks, chosen)}; the logs are in "
            f"{folder}"
        )

    with _timed(stages, "pack", advance):
        bitstream = pack(packer, sources, folder, chosen.result)
    return Design(
        fmax_mhz=_main_clock(chosen, sources).achieved_mhz,
        seed=chosen.seed,
        seeds={routed.seed: _main_clock(routed, sources).achieved_mhz for routed in tried},
        resources=resource_usage(sources.family, netlist, chosen.report.utilization),
        blocks=blocks.usage(),
        bitstream=bitstream,
        tools={name: str(tool) for name, tool in tools.items()},
        stages=stages,
    )


def _main_clock(routed: Routed, sources: Sources) -> Clock:
    """The design's clock: of those that must reach its frequency, the slowest."""
    clocks = routed.report.clocks
    if not clocks:
        raise ToolError("nextpnr reports no clock: the design has no flip-flops")
    wanted = sources.required_mhz
    main = [c for c in clocks if abs(c.required_mhz - wanted) <= _CLOSE * wanted]
    return main[0] if main else clocks[0]


def _wants_flash(board: Board, folder: Folder) -> bool:
    """Whether a design reads the board's flash memory unless it is told not to."""
    can = board.flash is not None and board.flash.resource is not None
    return can and (board.family != "ice40" or folder.external)


def _elaborate(
    board: Board, config: AcceleratorConfig, clock_mhz: float, **options: Any
) -> Sources:
    try:
        return elaborate(board, config, clock_mhz, **options)
    except ValueError as error:  # of the board's, its clock's and its serial port's kinds
        raise BoardError(str(error)) from None


def _board(folder: Folder) -> Board:
    try:
        return get_board(folder.board)
    except UnknownBoard as error:
        raise BoardError(f"{folder.path / MANIFEST}: {error}") from None


@contextmanager
def _written_anew(directory: Path) -> Iterator[Path]:
    """The empty folder for a build in ``directory``, without an earlier build's results."""
    work = directory / WORK
    try:
        for name in (RECORD, *BITSTREAM.values()):
            (directory / name).unlink(missing_ok=True)
        if work.exists():
            shutil.rmtree(work)
        work.mkdir()
        yield work
    except OSError as error:
        for name in (RECORD, *BITSTREAM.values()):
            with contextlib.suppress(OSError):
                (directory / name).unlink(missing_ok=True)
        raise OutputError(
            f"{error.filename or directory}: cannot be written: {error.strerror}; make the folder "
            "writable, or generate into another one"
        ) from None


@contextmanager
def _timed(stages: dict[str, float], stage: str, advance: Progress) -> Iterator[None]:
    advance(stage, 0, None, "")
    began = time.monotonic()
    yield
    stages[stage] = round(time.monotonic() - began, 1)
    advance(stage, 1, 1, "")


def _silent(stage: str, done: float, total: float | None, detail: str) -> None:
    pass
