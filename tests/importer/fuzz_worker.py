# SPDX-License-Identifier: BSD-2-Clause
"""Imports mutated files under a memory limit, each within a time limit.

Run as ``python fuzz_worker.py SEED COUNT FILE...``; prints a JSON object with the number of
imports that succeeded (``accepted``), that were refused (``refused``), and ``failures``: anything
else that happened, with the file, the mutation's number and the traceback.
"""

from __future__ import annotations

import json
import random
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from celosia.errors import ModelError
from celosia.graph.statistics import statistics
from celosia.graph.text import to_text
from celosia.importer.flatbuffer import CorruptFileError
from celosia.importer.modelfile import ModelFile
from celosia.importer.tflite import load_tflite

MEMORY_LIMIT = 1 << 30
SECONDS_LIMIT = 2.0

#: Numbers at the edges of what fields of 1, 2, 4 and 8 bytes hold.
_EXTREMES = [0, 1, 2, 3, 4, 7, 8, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x10000]
_EXTREMES += [0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, 1 << 62, (1 << 63) - 1, (1 << 64) - 1]


def structure(data: bytes) -> list[int]:
    """Bytes that are not constants' contents: where mutations reach the most code."""
    constant = bytearray(len(data))
    file = ModelFile(data)
    for index in range(file.tensor_count):
        content = file.tensor(index).data
        if content is not None and len(content) > 16:
            start = data.find(content.tobytes())
            constant[start : start + len(content)] = b"\1" * len(content)
    return [position for position, flag in enumerate(constant) if not flag]


class Mutator:
    """Makes variants of one file."""

    def __init__(self, data: bytes, seed: str) -> None:
        self._data = data
        self._random = random.Random(seed)
        self._structure = structure(data)

    def mutate(self) -> bytes:
        """One variant, by one kind of mutation or several."""
        kinds: list[Callable[[bytearray], None]] = [
            self._flip_bits,
            self._overwrite_fields,
            self._overwrite_fields,
            self._overwrite_fields,
            self._swap_fields,
            self._splice,
            self._truncate,
        ]
        data = bytearray(self._data)
        for _ in range(self._random.choice([1, 1, 1, 2, 4])):
            self._random.choice(kinds)(data)
        return bytes(data)

    def _position(self, data: bytearray, width: int = 1) -> int:
        last = max(len(data) - width, 0)
        if self._random.random() < 0.9:
            return min(self._random.choice(self._structure), last)
        return self._random.randint(0, last)

    def _flip_bits(self, data: bytearray) -> None:
        for _ in range(self._random.choice([1, 1, 2, 8, 64])):
            position = self._position(data)
            data[position : position + 1] = bytes(
                [data[position] ^ 1 << self._random.randrange(8)] if data else []
            )

    def _overwrite_fields(self, data: bytearray) -> None:
        for _ in range(self._random.choice([1, 1, 1, 2, 5])):
            width = self._random.choice([1, 2, 4, 4, 4, 8])
            position = self._position(data, width) // width * width
            value = self._random.choice(
                [self._random.choice(_EXTREMES), self._random.randint(-20, 20), len(data)]
            )
            data[position : position + width] = (value % (1 << 8 * width)).to_bytes(width, "little")

    def _swap_fields(self, data: bytearray) -> None:
        """One field gets another one's value: valid by itself, wrong where it is."""
        source, target = (self._position(data, 4) // 4 * 4 for _ in range(2))
        data[target : target + 4] = data[source : source + 4]

    def _splice(self, data: bytearray) -> None:
        length = self._random.choice([1, 2, 4, 16, 64, 1024])
        start, end = self._position(data), self._position(data)
        piece = data[start : start + length]
        how = self._random.randrange(3)
        if how == 0:
            data[end : end + length] = piece
        elif how == 1:
            data[end:end] = piece
        else:
            del data[end : end + length]

    def _truncate(self, data: bytearray) -> None:
        del data[self._random.randint(0, len(data)) :]


def _too_slow(*_: Any) -> NoReturn:
    raise TimeoutError(f"the import took more than {SECONDS_LIMIT} seconds")


def fuzz(file: Path, seed: int, count: int, folder: Path) -> dict[str, Any]:
    """Imports ``count`` variants of ``file``."""
    mutator = Mutator(file.read_bytes(), f"{seed} {file.name}")
    accepted, refused = 0, 0
    failures = []
    variant = folder / "variant.tflite"
    for number in range(count):
        variant.write_bytes(mutator.mutate())
        signal.setitimer(signal.ITIMER_REAL, SECONDS_LIMIT)
        try:
            graph = load_tflite(variant)
            statistics(graph)
            to_text(graph)
            accepted += 1
        except ModelError as error:
            refused += 1
            if str(variant) not in str(error):
                failures.append(f"{file.name} {number}: no file name in {error}")
        except BaseException:
            failures.append(f"{file.name} {number}: {traceback.format_exc()}")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    return {"accepted": accepted, "refused": refused, "failures": failures}


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    signal.signal(signal.SIGALRM, _too_slow)
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    result: dict[str, Any] = {"accepted": 0, "refused": 0, "failures": []}
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[3:]:
            try:
                part = fuzz(Path(name), seed, count, Path(folder))
            except CorruptFileError as error:
                part = {"accepted": 0, "refused": 0, "failures": [f"{name}: {error}"]}
            for key, value in part.items():
                result[key] += value
    print(json.dumps(result))


if __name__ == "__main__":
    main()
