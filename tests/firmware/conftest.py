# SPDX-License-Identifier: BSD-2-Clause
"""The driver, compiled in several ways; skips where there is no C compiler."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.firmware import driver

from celosia.compiler.image import Image

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "firmware"
SOURCES = sorted((FIRMWARE / "src").glob("*.c"))
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror")
SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")

Compile = Callable[..., Path]


@pytest.fixture(scope="session")
def compile_c(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """``compile_c(name, *sources, options)`` is what gcc makes of the driver and ``sources``."""
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("there is no gcc to compile the driver with")
    folder = tmp_path_factory.mktemp("firmware")

    def compile_to(name: str, *sources: Path, options: tuple[str, ...] = ()) -> Path:
        file = folder / name
        include = ("-I", str(FIRMWARE / "include"), "-I", str(FIRMWARE / "ports"))
        command = [gcc, *WARNINGS, *options, *include, *map(str, (*SOURCES, *sources))]
        done = subprocess.run([*command, "-o", str(file)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return file

    return compile_to


@pytest.fixture(scope="session")
def library(compile_c: Compile) -> ctypes.CDLL:
    """The driver as a library; undefined behaviour ends the process."""
    checks = ("-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")
    options = ("-O2", "-g", "-shared", "-fPIC", *checks)
    return driver.declare(ctypes.CDLL(str(compile_c("libcelosia.so", options=options))))


@pytest.fixture(scope="session")
def digits_image() -> Image:
    """The example's image for iCEBreaker."""
    from celosia.compiler.compile import compile_graph
    from celosia.compiler.sizing import size_config
    from celosia.importer import load_tflite
    from celosia.passes import optimize
    from celosia_hw.boards import get_board

    graph = optimize(load_tflite(ROOT / "examples" / "digits" / "digits.tflite"))
    return compile_graph(graph, size_config(graph, get_board("icebreaker"), None))


@pytest.fixture(scope="session")
def tested_image(digits_image: Image) -> Image:
    """The same with known answers."""
    from celosia.importer import load_tflite
    from celosia.known_answers import known_answers
    from celosia.passes import optimize
    from celosia_sim.reference import run

    graph = optimize(load_tflite(ROOT / "examples" / "digits" / "digits.tflite"))
    return replace(digits_image, self_test=known_answers(graph, digits_image, run))


@pytest.fixture(scope="session")
def board(compile_c: Compile) -> ctypes.CDLL:
    """The driver with all ports, of which those for microcontrollers and for spidev end in
    functions of the test (board.c)."""
    ports = [FIRMWARE / "ports" / f"{name}.c" for name in ("bare_metal", "linux_spidev")]
    shim = Path(__file__).with_name("board.c")
    checks = ("-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")
    options = (
        "-O2",
        "-shared",
        "-fPIC",
        "-Dioctl=board_ioctl",
        "-Dclock_gettime=board_clock_gettime",
        *checks,
    )
    library = ctypes.CDLL(str(compile_c("libboard.so", *ports, shim, options=options)))
    library.celosia_spi_open.restype = ctypes.c_bool
    return driver.declare(library)
