# SPDX-License-Identifier: BSD-2-Clause
"""A folder that ``generate`` wrote, as long as nothing in it was changed since.

The manifest has the hashes of the files that a result depends on, so that one that was edited, cut
off or put there from another folder is noticed before it is used. Nothing tells where the folder
lies: it may be moved and copied.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from celosia.compiler.image import Image
from celosia.errors import InputError
from celosia.records import decode
from celosia_hw.config import AcceleratorConfig

MANIFEST = "manifest.json"
VERILOG = "top.v"
IMAGE = "model.image"
MODEL = "model.tflite"
#: The files whose hashes a manifest has.
HASHED = (VERILOG, IMAGE)

_WRITES = "'celosia generate' writes this folder"
#: How Verilog of ``celosia_hw.verilog`` begins.
_FINGERPRINT = re.compile(rb"\A// .*\bfingerprint 0x([0-9a-f]{8})\b")


class _Weights(msgspec.Struct):
    source: Literal["on chip", "scratchpad", "external"]


class _Memories(msgspec.Struct):
    weights: _Weights


class _Manifest(msgspec.Struct):
    """What is read of a manifest; the rest is for people and other programs."""

    board: str
    clock_mhz: Annotated[float, Meta(gt=0, le=1000)]
    fingerprint: int
    config: dict[str, Any]
    memories: _Memories
    files: dict[str, Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]]
    labels: list[str] = []


class Folder:
    """What the manifest of a folder says, and the folder's files.

    Attributes:
        path: the folder.
        board: the board's name, which need not be known.
        clock_mhz: the clock that times are computed for.
        config: the accelerator.
        external: whether the model's weights are streamed from outside.
        labels: names of the model's classes, if somebody has put them into the manifest.
    """

    def __init__(self, path: Path | str) -> None:
        """Reads the manifest.

        Raises:
            InputError: it is missing or damaged, or does not have what this version writes.
        """
        self.path = Path(path)
        file = self.path / MANIFEST
        try:
            manifest = decode(_read(file), _Manifest)
            self.config = AcceleratorConfig.from_record(manifest.config)
            if self.config.fingerprint != manifest.fingerprint:
                raise ValueError(
                    f"the configuration has the fingerprint {self.config.fingerprint:#010x}, the "
                    f"manifest says {manifest.fingerprint:#010x}"
                )
            if missing := [name for name in HASHED if name not in manifest.files]:
                raise ValueError(f"it has no hash of {' and '.join(missing)}")
        except ValueError as error:  # a ConfigError, too
            raise InputError(f"{file}: damaged ({error}); {_WRITES}; generate it again") from None
        self.board = manifest.board
        self.clock_mhz = manifest.clock_mhz
        self.external = manifest.memories.weights.source == "external"
        self.labels = tuple(manifest.labels)
        self._hashes = manifest.files

    def check(self) -> None:
        """Raises InputError if a file is not the one that was generated; it may be missing where
        nothing reads it."""
        for name in HASHED:
            if (self.path / name).exists():
                self._content(name)

    def verilog(self) -> str:
        """The accelerator's Verilog.

        Raises:
            InputError: the file is missing or was changed.
        """
        try:
            return self._content(VERILOG).decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{self.path / VERILOG}: is no text in UTF-8 ({error})") from None

    def image(self) -> Image:
        """The model.

        Raises:
            ImageError: the file is missing or damaged.
            InputError: it was changed, or is another's.
        """
        # First what is wrong with it in itself, which says more.
        image = Image.load(self.path / IMAGE)
        if image.config.fingerprint != self.config.fingerprint:
            raise InputError(
                f"{self.path / IMAGE}: compiled for the configuration "
                f"{image.config.fingerprint:#010x}, but this folder is of "
                f"{self.config.fingerprint:#010x}; put its own file back, or generate it again"
            )
        self._content(IMAGE)
        return image

    def _content(self, name: str) -> bytes:
        file = self.path / name
        content = _read(file)
        if name == VERILOG and (found := _FINGERPRINT.match(content)):
            fingerprint = int(found[1], 16)
            if fingerprint != self.config.fingerprint:
                raise InputError(
                    f"{file}: is the Verilog of another configuration, {fingerprint:#010x}, and "
                    f"this folder is of {self.config.fingerprint:#010x}; put its own file back, or "
                    "generate the folder again"
                )
        if hashlib.sha256(content).hexdigest() != self._hashes[name]:
            what = "changes to the Verilog belong into the gateware" if name == VERILOG else ""
            raise InputError(
                f"{file}: is not the file that was generated: its hash differs from that in "
                f"{MANIFEST}, so it was edited, cut off or replaced; put the file back, or "
                f"generate the folder again{'; ' + what if what else ''}"
            )
        return content


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}; {_WRITES}") from None
