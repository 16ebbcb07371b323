# SPDX-License-Identifier: BSD-2-Clause
"""All C files compile without a warning, with every compiler there is; the driver stays small."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.firmware.conftest import FIRMWARE, SOURCES, WARNINGS

from celosia.compiler.image import Image
from celosia.firmware import model_header

CORTEX_M0 = ("-mcpu=cortex-m0", "-mthumb", "-Os", "-ffreestanding")
RISC_V = ("-march=rv32imc", "-mabi=ilp32", "-Os", "-ffreestanding")
X86 = ("-m32", "-Os", "-ffreestanding", "-fno-pie", "-fno-asynchronous-unwind-tables")
#: What talks to an accelerator. Arithmetic and texts are linked where they are used.
CORE = ("device", "frame", "image", "link", "self_test", "tensor")
CORE_BYTES = 5120


def compiler(name: str) -> str:
    """A compiler, from CELOSIA_CROSS_TOOLS (a folder) or the path; skips where there is none."""
    folder = os.environ.get("CELOSIA_CROSS_TOOLS")
    path = f"{folder}{os.pathsep}{os.environ['PATH']}" if folder else None
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def compile_all(command: str, options: tuple[str, ...], files: list[Path], folder: Path) -> None:
    for file in files:
        output = ["-c", str(file), "-o", str(folder / f"{file.stem}.o")]
        include = ["-I", str(FIRMWARE / "include"), "-I", str(FIRMWARE / "ports")]
        done = subprocess.run(
            [command, *WARNINGS, *options, *include, *output], capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, ""), file.name


@pytest.mark.parametrize("name", ["gcc", "clang"])
@pytest.mark.parametrize("optimize", ["-O0", "-O2", "-Os"])
def test_hosts(name: str, optimize: str, tmp_path: Path) -> None:
    files = [*SOURCES, *FIRMWARE.glob("ports/*.c"), *FIRMWARE.glob("examples/*.c")]
    assert len(files) > 8
    compile_all(compiler(name), (optimize,), files, tmp_path)


def test_the_header_in_cpp(tmp_path: Path) -> None:
    file = tmp_path / "main.cpp"
    file.write_text('#include "celosia.h"\nint main() { celosia device = {}; return device.open; }')
    include = ["-I", str(FIRMWARE / "include")]
    options = ["-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
    done = subprocess.run(
        [compiler("g++"), *options, *include, str(file)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "options", "limit"),
    [
        ("arm-none-eabi-gcc", CORTEX_M0, CORE_BYTES),
        ("riscv64-unknown-elf-gcc", RISC_V, CORE_BYTES + 1024),
        # Larger code than a microcontroller's, but there is always one.
        ("gcc", X86, CORE_BYTES + 2048),
    ],
)
def test_the_size_on_microcontrollers(
    name: str, options: tuple[str, ...], limit: int, tmp_path: Path
) -> None:
    files = [*SOURCES, FIRMWARE / "ports" / "bare_metal.c"]
    if "-m32" in options and platform.machine() != "x86_64":
        pytest.skip("-m32 is an option for x86-64")
    command = compiler(name)
    compile_all(command, options, files, tmp_path)
    size = str(Path(command).with_name(re.sub("gcc$", "size", Path(command).name)))
    objects = [tmp_path / f"{file.stem}.o" for file in SOURCES]
    text = subprocess.run([size, *objects], capture_output=True, text=True, check=True).stdout
    print(text)
    rows = [line.split() for line in text.splitlines()[1:]]
    # No variables: text, data, bss, ...
    assert all(row[1:3] == ["0", "0"] for row in rows)
    core = sum(int(row[0]) for row in rows if Path(row[5]).stem in CORE)
    print(f"{name}: {core} bytes of code and constants")
    assert len(rows) == len(CORE) + 2
    assert core < limit


def test_the_program_of_the_documentation(tmp_path: Path, tested_image: Image) -> None:
    text = (FIRMWARE.parent / "docs" / "microcontroller.md").read_text()
    parts = re.findall(r"```c\n(.*?)```", text, re.S)
    (program,) = [part for part in parts if "classify" in part]
    (attach,) = [part for part in parts if "MODEL_SELF_TEST" in part]
    (tmp_path / "program.c").write_text(program + attach)
    labels = [f"label {i}" for i in range(10)]
    (tmp_path / "model.h").write_text(model_header(tested_image, 24.0, labels))
    file = [tmp_path / "program.c"]
    compile_all(compiler("gcc"), ("-O2", "-I", str(tmp_path)), file, tmp_path)


def test_the_driver_has_no_floating_point_and_allocates_nothing() -> None:
    for file in (*SOURCES, *FIRMWARE.glob("src/*.h"), FIRMWARE / "include" / "celosia.h"):
        code = re.sub(r"/\*.*?\*/", "", file.read_text(), flags=re.DOTALL)
        assert not re.search(r"\b(float|double|malloc|calloc|free|alloca)\b", code), file.name
        # Objects of static storage are constants.
        assert not re.search(r"\bstatic (?!const|inline)[^()]*;", code), file.name


def test_make(tmp_path: Path) -> None:
    compiler("gcc")
    make = ["make", "-s", "-C", str(FIRMWARE), f"BUILD={tmp_path}/made", "CC=gcc"]
    for target in ("all", "size"):
        done = subprocess.run([*make, "CFLAGS=-O1 -Werror", target], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert "link.o" in done.stdout
    assert (tmp_path / "made" / "classify").is_file()
    assert (tmp_path / "made" / "libcelosia.a").is_file()
    assert subprocess.run([*make, "clean"]).returncode == 0
    assert not (tmp_path / "made").exists()
