# SPDX-License-Identifier: BSD-2-Clause
"""Starts and stops a virtual board, which is a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from celosia.compiler.boot import flash_content
from celosia.compiler.image import Image
from celosia.errors import ToolError
from celosia.host.model_files import load_model_files
from celosia.output_files import disk_errors
from celosia_hw.config import AcceleratorConfig
from celosia_hw.core import Core, LinkKind
from celosia_hw.flash.reader import FlashReader
from celosia_hw.verilog import component_to_verilog

from ..rtl.build import build
from .settings import BIT_CYCLES, CLOCK_MHZ, Settings

TOPLEVEL = "board"
#: Seconds that a simulation may take to start and to stop.
_START_SECONDS = 120.0
_STOP_SECONDS = 10.0


class VirtualBoard:
    """The board of a folder that ``generate`` wrote, as a context manager.

    Between entering and leaving, ``port`` is the path of a pseudo-terminal, or with ``link`` SPI
    "spi:" and that of a socket, where each byte that is sent is answered with the one that came
    back. The
    design is the one that a board has, from the pins of its link on; its clock is as fast as the
    simulation, and a bit of its UART as short as it can be, so that little has to be simulated.
    ``baud_rate`` has no meaning for a pseudo-terminal, but programs want one.

    With ``flash`` the design has a flash memory with the folder's model in it, from which it boots,
    and weights are streamed from there. By default it has one if the model needs it.

    Args:
        folder: what ``generate`` wrote; of a model on existing hardware as well.
        link: what is at the pins.
        flash: see above; the memory's contents may be given, too.
        progress: called with "compile" and "start", and 0 or 1.

    Raises:
        CelosiaError: (on entering) a file is bad, or the simulator is missing or fails.
    """

    baud_rate = 1_000_000

    def __init__(
        self,
        folder: Path | str,
        *,
        link: LinkKind = LinkKind.UART,
        flash: bool | bytes | None = None,
        progress: Callable[[str, int], None] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.link = link
        self.port = ""
        self._flash = flash
        self._progress = progress or (lambda stage, done: None)
        self._process: subprocess.Popen[bytes] | None = None
        self._work: tempfile.TemporaryDirectory[str] | None = None

    @disk_errors("the folder for temporary files", "make room there, or set TMPDIR")
    def __enter__(self) -> VirtualBoard:
        image = load_model_files(self.folder).image
        content = self._flash_content(image)
        self._progress("compile", 0)
        built = build(
            core_verilog(image.config, self.link, flash=content is not None), toplevel=TOPLEVEL
        )
        self._progress("compile", 1)
        self._progress("start", 0)
        self._work = tempfile.TemporaryDirectory(prefix="celosia-board-")
        work = Path(self._work.name)
        settings = Settings(link=self.link.value, built=str(built), flash=content is not None)
        settings.save(work)
        if content is not None:
            (work / "flash.bin").write_bytes(content)
        try:
            with (work / "process.log").open("wb") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "celosia_sim.virtual", str(work)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            self.port = self._wait_for_port(work)
        except BaseException:
            self.stop()
            raise
        self._progress("start", 1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the simulation has not ended by itself."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Ends the simulation; nothing of it is left. More than once is once."""
        if self._process is not None:
            assert self._work is not None
            (Path(self._work.name) / "stop").touch()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                # The simulator is a process of this process' group.
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._process = None
        if self._work is not None:
            self._work.cleanup()
            self._work = None

    def _flash_content(self, image: Image) -> bytes | None:
        if isinstance(self._flash, bytes):
            return self._flash
        if self._flash or (self._flash is None and image.streams):
            return flash_content(image)
        return None

    def _wait_for_port(self, work: Path) -> str:
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if (work / "port").exists():
                return str(json.loads((work / "port").read_text()))
            if self._process.poll() is not None:
                break
            time.sleep(0.02)
        log = (work / "process.log").read_text(errors="replace").strip().splitlines()
        detail = "\n".join(log[-15:])
        raise ToolError(f"the virtual board of {self.folder} did not start\n{detail}".rstrip())


def core_verilog(config: AcceleratorConfig, link: LinkKind, *, flash: bool) -> str:
    """The design that is simulated."""
    reader = FlashReader(clock_mhz=CLOCK_MHZ) if flash else None
    core = Core(config, link=link, divisor=BIT_CYCLES, flash=reader)
    return component_to_verilog(core, name=TOPLEVEL)
