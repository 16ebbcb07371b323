# SPDX-License-Identifier: BSD-2-Clause
"""What lies in a flash memory: it loads the image, leaves its mark, and has the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from celosia.compiler.boot import boot_stream, flash_content, mark, mark_address
from celosia.compiler.compile import compile_graph
from celosia.compiler.image import Image, ImageSpace, Section
from celosia.errors import FitError
from celosia.graph.ir import Graph
from celosia.tensors import counters_bytes, span
from celosia_hw.config import AcceleratorConfig
from celosia_hw.flash.layout import WEIGHTS_OFFSET
from celosia_hw.isa import Register
from celosia_hw.link.protocol import FLAG, Command, stuff
from celosia_sim.link_model import Endpoint, Memories


def requests(stream: bytes) -> Iterator[bytes]:
    """The stream's requests."""
    while stream:
        count = int.from_bytes(stream[2:4], "little")
        length = 12 + (4 * count + 4 if stream[0] == Command.WRITE else 0)
        yield stream[:length]
        stream = stream[length:]


@pytest.fixture(params=range(20))
def image(
    request: pytest.FixtureRequest,
    random_graph: Callable[[int], Graph],
    random_config: Callable[[int], AcceleratorConfig],
) -> Image:
    graph, config = random_graph(request.param), random_config(request.param)
    try:
        return compile_graph(graph, config)
    except FitError as error:
        pytest.skip(str(error))


def test_the_mark_lies_where_nothing_else_does(image: Image) -> None:
    address = mark_address(image.config)
    assert address % 4 == 0
    spans = [(s.address, len(s.data)) for s in image.sections if s.space == ImageSpace.SCRATCH]
    spans += [(image.profile_base, counters_bytes(image))]
    ports = [*image.inputs, *image.outputs]
    ports += [layer.output for layer in image.layers if layer.output is not None]
    spans += [(port.address, span(port)) for port in ports]
    assert spans
    assert all(start + length <= address for start, length in spans)


def test_a_boot_loads_the_image_and_its_mark(image: Image) -> None:
    memories = Memories(image.config)
    endpoint = Endpoint(memories, last=0)
    *all_but_end, end = requests(boot_stream(image))
    for number, request in enumerate(all_but_end, start=1):
        answer = endpoint.feed(stuff(request))
        assert answer.strip(bytes([FLAG]))[:2] == bytes([number, 0])
    assert end[:8] == bytes([Command.END, len(all_but_end) + 1]) + bytes(6)
    wanted = Memories(image.config).memory
    for section in image.sections:
        if section.space != ImageSpace.EXTERNAL:
            end_address = section.address + len(section.data)
            wanted[section.space][section.address : end_address] = section.data
    wanted[0][-4:] = mark(image)
    assert memories.memory == wanted
    assert memories.registers[Register.START] == image.entry
    assert memories.registers[Register.WATCHDOG] == image.watchdog_cycles


def test_the_mark_is_the_checksum_of_the_file_and_tells_weights(
    image: Image, tmp_path: Path
) -> None:
    image.save(tmp_path / "model.image")
    assert mark(image) == (tmp_path / "model.image").read_bytes()[16:20]
    assert mark(Image.load(tmp_path / "model.image")) == mark(image)
    section = Section(ImageSpace.EXTERNAL, 64, bytes(range(100)))
    streaming = replace(image, sections=(*image.sections, section))
    other = replace(section, data=bytes(range(99)) + b"\0")
    assert mark(streaming) != mark(replace(image, sections=(*image.sections, other)))
    content = flash_content(streaming)
    stream = boot_stream(streaming)
    filler = WEIGHTS_OFFSET + 64 - len(stream)
    assert content == stream + b"\xff" * filler + section.data
