# SPDX-License-Identifier: BSD-2-Clause
"""The example program, with sanitizers, at a pseudo-terminal behind which the models are."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from tests.firmware.conftest import FIRMWARE, ROOT, SANITIZERS, Compile

from celosia.compiler.image import Image
from celosia_sim.link_faults import FaultyLine
from celosia_sim.link_model import Endpoint, Memories
from celosia_sim.link_program import program_runner

DIGITS = ROOT / "examples" / "digits"
PICTURES = 6

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the port is one of Linux")


@dataclass
class Port:
    """A serial port with an accelerator's model behind it."""

    endpoint: Endpoint
    to_device: FaultyLine = field(default_factory=lambda: FaultyLine(0))
    to_host: FaultyLine = field(default_factory=lambda: FaultyLine(0))
    deaf: bool = False

    def __post_init__(self) -> None:
        self._master, self._slave = os.openpty()
        self.name = os.ttyname(self._slave)
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._ends.is_set():
            ready, _, _ = select.select([self._master], [], [], 0.02)
            data = os.read(self._master, 4096) if ready else b""
            arrived = self.to_device.send(data) if ready else self.to_device.release()
            answer = b"" if self.deaf else self.endpoint.feed(arrived)
            sent = self.to_host.send(answer) if answer else self.to_host.release()
            while sent:
                sent = sent[os.write(self._master, sent) :]

    def close(self) -> None:
        self._ends.set()
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)


@pytest.fixture
def ports(digits_image: Image) -> Iterator[Callable[..., Port]]:
    """``ports(...)`` opens one."""
    opened: list[Port] = []

    def open_port(**options: object) -> Port:
        memories = Memories(digits_image.config, program_runner(digits_image), busy_polls=1)
        opened.append(Port(Endpoint(memories), **options))  # type: ignore[arg-type]
        return opened[-1]

    yield open_port
    for port in opened:
        port.close()


@pytest.fixture(scope="module")
def program(compile_c: Compile) -> Path:
    sources = (FIRMWARE / "examples" / "classify.c", FIRMWARE / "ports" / "linux_tty.c")
    return compile_c("classify", *sources, options=("-O1", *SANITIZERS))


@pytest.fixture
def folder(tmp_path: Path, digits_image: Image) -> Path:
    """With an image, inputs and labels."""
    digits_image.save(tmp_path / "model.image")
    pictures = np.load(DIGITS / "images.npy")[:PICTURES]
    (tmp_path / "inputs").write_bytes(pictures.tobytes())
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    (tmp_path / "labels.txt").write_text("\r\n".join(names))
    return tmp_path


def classify(program: Path, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(program), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("baud", [115_200, 1_000_000, 3_000_000])
@pytest.mark.parametrize("faulty", [False, True])
def test_digits_are_classified(
    program: Path,
    folder: Path,
    ports: Callable[..., Port],
    digits_image: Image,
    baud: int,
    faulty: bool,
) -> None:
    faults = {}
    if faulty:
        faults = {"to_device": FaultyLine(baud, 0.0004, 0.005), "to_host": FaultyLine(7, 0.002)}
    port = ports(**faults)
    done = classify(program, folder, port.name, baud, "model.image", "inputs", "labels.txt")
    assert (done.returncode, done.stderr) == (0, "")
    digits = np.load(DIGITS / "labels.npy")[:PICTURES]
    found = re.findall(r"^(\d+): class (\d) (\w+), (\d+) cycles$", done.stdout, re.MULTILINE)
    assert [int(number) for number, *_ in found] == list(range(PICTURES))
    assert [int(best) for _, best, *_ in found] == digits.tolist()
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    assert [name for _, _, name, _ in found] == [names[digit] for digit in digits]
    assert {int(cycles) for *_, cycles in found} == {digits_image.cycles}
    assert not faulty or port.to_device.faults + port.to_host.faults > 0


def test_labels_may_be_left_out(program: Path, folder: Path, ports: Callable[..., Port]) -> None:
    done = classify(program, folder, ports().name, 1_000_000, "model.image", "inputs")
    assert done.returncode == 0, done.stderr
    assert re.match(r"0: class \d, \d+ cycles\n", done.stdout)


def test_a_board_that_computes_otherwise_is_refused(
    program: Path, folder: Path, ports: Callable[..., Port], tested_image: Image
) -> None:
    tested_image.save(folder / "model.image")
    port = ports()
    done = classify(program, folder, port.name, 1_000_000, "model.image", "inputs")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("self-test passed\n0: class ")
    write = port.endpoint.target.write
    port.endpoint.target.write = (  # type: ignore[method-assign]
        lambda space, address, word: write(space, address, word ^ (0x2000 * (space == 2)))
    )
    done = classify(program, folder, port.name, 1_000_000, "model.image", "inputs")
    assert (done.returncode, done.stdout) == (1, "")
    first, second = done.stderr.splitlines()
    assert first == "classify: model.image: the self-test failed at Conv2D conv_2d_0"
    assert second.startswith("classify: model.image: the accelerator computes something else")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["PORT", "fast", "model.image", "inputs"], "fast: not a baud rate"),
        (["PORT", "0", "model.image", "inputs"], "0: not a baud rate"),
        (["absent", "9600", "model.image", "inputs"], "absent: No such file"),
        (["inputs", "9600", "model.image", "inputs"], "inputs: Inappropriate ioctl"),
        (["PORT", "9600", "absent", "inputs"], "absent: No such file"),
        (["PORT", "9600", "inputs", "inputs"], "inputs: not an image of a model"),
        (["PORT", "9600", ".", "inputs"], ".: "),
        (["PORT", "9600", "short.image", "inputs"], "short.image: the image is truncated"),
        (["PORT", "9600", "bad.image", "inputs"], "bad.image: the image is damaged"),
        (["PORT", "9600", "other.image", "inputs"], "other.image: the image is for an accelerator"),
        (["PORT", "9600", "model.image", "absent"], "absent: No such file"),
        (["PORT", "9600", "model.image", "half"], "half: does not hold whole inputs"),
        (["PORT", "9600", "model.image", "empty"], "empty: does not hold whole inputs"),
        (["PORT", "9600", "model.image", "inputs", "absent"], "absent: cannot be read"),
        (["PORT", "9600"], "usage: classify PORT BAUD IMAGE INPUTS"),
        (["DEAF", "9600", "model.image", "inputs"], "the accelerator does not answer"),
    ],
)
def test_failures_have_a_message_and_a_code(
    program: Path,
    folder: Path,
    ports: Callable[..., Port],
    digits_image: Image,
    arguments: list[str],
    message: str,
) -> None:
    data = (folder / "model.image").read_bytes()
    (folder / "short.image").write_bytes(data[:-1])
    (folder / "bad.image").write_bytes(data[:5000] + b"\0" * 4 + data[5004:])
    config = replace(digits_image.config, parameter_depth=1024)
    replace(digits_image, config=config).save(folder / "other.image")
    (folder / "half").write_bytes(bytes(100))
    (folder / "empty").write_bytes(b"")
    name = ports(deaf="DEAF" in arguments).name
    given = [name if word in ("PORT", "DEAF") else word for word in arguments]
    done = classify(program, folder, *given)
    assert done.returncode == (2 if "usage" in message else 1)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
