# SPDX-License-Identifier: BSD-2-Clause
"""What a simulation is asked to do, and what it answers, as files between two processes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Section:
    """Bytes for a memory (``celosia_hw.isa.Space``), from a byte address on."""

    space: int
    address: int
    content: bytes


@dataclass
class Job:
    """Load ``sections``; then for each of ``inputs``: write its parts, run, read ``reads``.

    A part of an input is a byte address in the scratchpad and bytes.

    ``steps``, if given, pauses behind instruction i and reads ``steps[i]``, (address, length)
    pairs, instead of running through.
    """

    sections: list[Section]
    start: int
    inputs: list[list[tuple[int, bytes]]]
    reads: list[tuple[int, int]]
    watchdog: int = 0
    external: bytes = b""
    external_rate: float = 0.5
    steps: list[list[tuple[int, int]]] | None = None

    def save(self, directory: Path) -> None:
        blobs = bytearray()

        def blob(content: bytes) -> tuple[int, int]:
            blobs.extend(content)
            return len(blobs) - len(content), len(content)

        record = asdict(self)
        record["sections"] = [(s.space, s.address, blob(s.content)) for s in self.sections]
        record["inputs"] = [[(a, blob(c)) for a, c in parts] for parts in self.inputs]
        record["external"] = blob(self.external)
        (directory / "job.json").write_text(json.dumps(record))
        (directory / "job.bin").write_bytes(blobs)

    @classmethod
    def load(cls, directory: Path) -> Job:
        record = json.loads((directory / "job.json").read_text())
        blobs = (directory / "job.bin").read_bytes()

        def blob(place: tuple[int, int]) -> bytes:
            offset, length = place
            return blobs[offset : offset + length]

        record["sections"] = [Section(s, a, blob(c)) for s, a, c in record["sections"]]
        record["inputs"] = [[(a, blob(c)) for a, c in parts] for parts in record["inputs"]]
        record["external"] = blob(record["external"])
        return cls(**record)


@dataclass
class Run:
    """Result of one input: the bytes of ``reads`` or of each step's, and the time taken."""

    status: int
    cycles: int
    reads: list[bytes]
    steps: list[list[bytes]] = field(default_factory=list)

    @staticmethod
    def save_all(runs: list[Run], directory: Path) -> None:
        records = []
        for run in runs:
            record = asdict(run)
            record["reads"] = [content.hex() for content in run.reads]
            record["steps"] = [[content.hex() for content in step] for step in run.steps]
            records.append(record)
        (directory / "runs.json").write_text(json.dumps(records))

    @staticmethod
    def load_all(directory: Path) -> list[Run]:
        runs = []
        for record in json.loads((directory / "runs.json").read_text()):
            record["reads"] = [bytes.fromhex(text) for text in record["reads"]]
            record["steps"] = [[bytes.fromhex(text) for text in s] for s in record["steps"]]
            runs.append(Run(**record))
        return runs
