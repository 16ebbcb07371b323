# SPDX-License-Identifier: BSD-2-Clause
"""Loads a bitstream, and a model, into a board: with iceprog, openFPGALoader or the maker's own.

Options of openFPGALoader are of its version 0.10 and later: ``-f`` writes the flash memory, ``-m``
loads the FPGA itself, ``-o`` is where to write. iceprog, of Project IceStorm, writes the flash
memory unless ``-S`` is given; ``-o`` is the same.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from celosia.compiler.boot import flash_content
from celosia.compiler.image import Image
from celosia.errors import BoardError, FitError, ToolError
from celosia.folder import IMAGE, MANIFEST, Folder
from celosia.host.model_files import load_model_files
from celosia.output_files import write_files
from celosia.records import decode
from celosia_hw.boards import Board, get_board
from celosia_hw.boards import BoardError as UnknownBoard

from .execute import Cancel, Finished
from .flow import RECORD

OPENFPGALOADER = "openFPGALoader"
ICEPROG = "iceprog"

#: How to get a program.
SOURCES = {
    OPENFPGALOADER: "apt install openfpgaloader, brew install openfpgaloader",
    ICEPROG: "apt install fpga-icestorm",
    "icesprog": "https://github.com/wuxx/icesugar",
}
#: What has these two, for all systems.
_SUITE = "the OSS CAD Suite, https://github.com/YosysHQ/oss-cad-suite-build"


#: What the design boots from, beside its bitstream.
DATA = "flash.bin"


@dataclass(frozen=True)
class Programming:
    """How a bitstream is loaded, and a model.

    Attributes:
        board: the board's name.
        bitstream: the file.
        sram: whether the FPGA itself is loaded, until its power goes; else its flash memory.
        commands: what does it, one after the other.
        data: the file with the model for the flash memory, if the design looks there.
        image: what ``data`` is made from.
        installed: whether the command's program is on PATH.
        others: other programs that could do it.
    """

    board: str
    bitstream: Path
    sram: bool
    commands: tuple[tuple[str, ...], ...]
    data: Path | None
    image: Image | None
    installed: bool
    others: tuple[str, ...]

    @property
    def target(self) -> str:
        """``flash`` or ``sram``."""
        return "sram" if self.sram else "flash"

    @property
    def advice(self) -> str:
        """How to get a program that does it."""
        names = (self.commands[0][0], *self.others)
        ways = [f"{name}: {SOURCES[name]}" for name in names if name in SOURCES]
        if ICEPROG in names or OPENFPGALOADER in names:
            ways.append(f"or {_SUITE}")
        get = f" ({'; '.join(ways)})" if ways else ""
        return f"{' or '.join(names)} must be on PATH{get}"


def plan_programming(
    directory: Path | str,
    *,
    sram: bool = False,
    cable: str | None = None,
    model: Path | str | None = None,
) -> Programming:
    """How the bitstream in ``directory`` is loaded into its board, and if it boots from the flash
    memory, the model, too.

    Args:
        directory: a folder with a finished build.
        sram: load the FPGA itself instead of its flash memory.
        cable: openFPGALoader's name of a cable, for a board without one of its own.
        model: the folder of another model for the same hardware.

    Raises:
        BoardError: there is no finished build, or no program loads that board in that way.
        ImageError: the model's image is damaged, or for other hardware.
        InputError: a file of the folder was changed since it was generated.
        FitError: the model is larger than the flash memory.
    """
    directory = Path(directory)
    board, bitstream, record = _read_record(directory)
    commands = _commands(board, bitstream, sram=sram, cable=cable)
    offset = None if sram else record.flash_offset
    folder = Path(model) if model is not None else directory
    data = folder / DATA if offset is not None else None
    image = _image(folder, board, record) if data is not None else None
    if not commands:
        raise BoardError(_no_way(board, bitstream, sram=sram, cable=cable))
    chosen = next((c for c in commands if shutil.which(c[0])), commands[0])
    steps = [chosen]
    if data is not None:
        steps.append((*chosen[:-1], "-o", str(offset), str(data)))
    return Programming(
        board=board.name,
        bitstream=bitstream,
        sram=sram,
        commands=tuple(steps),
        data=data,
        image=image,
        installed=shutil.which(chosen[0]) is not None,
        others=tuple(command[0] for command in commands if command != chosen),
    )


def program(planned: Programming, on_line: Callable[[str], None] | None = None) -> None:
    """Loads the bitstream and the model; writes the file that the latter is loaded from.

    Args:
        planned: what :func:`plan_programming` found.
        on_line: called with each line that the program prints.

    Raises:
        ToolError: the program is not installed, or fails.
        OutputError: the file cannot be written.
    """
    if not planned.installed:
        raise ToolError(f"{planned.board}: {planned.advice}")
    if planned.data is not None and planned.image is not None:
        write_files(planned.data.parent, {planned.data.name: flash_content(planned.image)})
    for command in planned.commands:
        done = _run(command, on_line)
        if done.code != 0:
            raise ToolError(
                f"{command[0]} failed: {done.reason}; is the board {planned.board} connected, "
                "and may you use its USB device?"
            )


def _run(command: tuple[str, ...], on_line: Callable[[str], None] | None) -> Finished:
    lines = []
    try:
        process = Cancel().start(command, Path())
    except OSError as error:
        raise ToolError(f"{command[0]}: cannot be started: {error.strerror}") from None
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if on_line is not None:
                on_line(line.strip())
        code = process.wait()
    except BaseException:
        _stop(process)
        raise
    process.stdout.close()
    return Finished(code, "".join(lines))


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _commands(
    board: Board, bitstream: Path, *, sram: bool, cable: str | None
) -> list[tuple[str, ...]]:
    """The commands that would do it, the preferred one first."""
    commands: list[tuple[str, ...]] = []
    file = str(bitstream)
    # iceprog finds the USB bridges of all these boards by itself. It knows no cables.
    if board.loader.iceprog and cable is None:
        commands.append((ICEPROG, "-S", file) if sram else (ICEPROG, file))
    if board.loader.openfpgaloader and (board.loader.sram or not sram):
        cables = ("-c", cable) if cable is not None else ()
        mode = "-m" if sram else "-f"
        commands.append((OPENFPGALOADER, *board.loader.openfpgaloader, *cables, mode, file))
    if board.loader.command and not sram and cable is None:
        commands.append((*board.loader.command, file))
    return commands


def _no_way(board: Board, bitstream: Path, *, sram: bool, cable: str | None) -> str:
    if sram and _commands(board, bitstream, sram=False, cable=cable):
        return f"{board.name}: its FPGA cannot be loaded without the flash memory; leave --sram out"
    if cable is not None and _commands(board, bitstream, sram=sram, cable=None):
        return f"{board.name}: {OPENFPGALOADER} does not load this board; leave --cable out"
    return (
        f"{board.name}: no program is known that loads this board; use that of its maker for "
        f"{bitstream}"
    )


def _image(folder: Path, board: Board, record: _Record) -> Image:
    file = folder / IMAGE
    image = load_model_files(folder).image
    if image.config.fingerprint != record.fingerprint:
        raise BoardError(f"{file}: is for another accelerator than the bitstream; build again")
    size = len(flash_content(image))
    if board.flash is None or (record.flash_offset or 0) + size > board.flash.bytes:
        raise FitError(
            f"{file}: its {size:,} bytes do not fit into the flash memory of {board.name} behind "
            f"the bitstream; build with --no-flash, and load the model through the link"
        )
    return image


class _Record(msgspec.Struct):
    """What is read of ``build.json``."""

    board: str
    bitstream: Literal["top.bin", "top.bit"]
    fingerprint: int | None = None
    flash_offset: Annotated[int, Meta(ge=0, lt=1 << 32)] | None = None


def _read_record(directory: Path) -> tuple[Board, Path, _Record]:
    file = directory / RECORD
    try:
        record = decode(file.read_bytes(), _Record)
        board = get_board(record.board)
    except FileNotFoundError:
        raise BoardError(f"{file}: there is none; run 'celosia build {directory}' first") from None
    except OSError as error:
        raise BoardError(f"{file}: cannot be read: {error.strerror}") from None
    except UnknownBoard as error:
        raise BoardError(f"{file}: {error}") from None
    except ValueError as error:
        raise BoardError(
            f"{file}: damaged ({error}); run 'celosia build {directory}' again"
        ) from None
    bitstream = directory / record.bitstream
    if not bitstream.is_file():
        raise BoardError(f"{bitstream}: is missing; run 'celosia build {directory}' again")
    if (directory / MANIFEST).exists():
        folder = Folder(directory)
        folder.check()
        if record.fingerprint != folder.config.fingerprint:
            raise BoardError(
                f"{file}: the bitstream is of another accelerator than the folder; run 'celosia "
                f"build {directory}' again"
            )
    return board, bitstream, record
