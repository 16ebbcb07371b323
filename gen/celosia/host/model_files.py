# SPDX-License-Identifier: BSD-2-Clause
"""What a host needs of the files that ``celosia generate`` and ``celosia build`` write."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celosia.compiler.image import Image
from celosia.errors import InputError


@dataclass(frozen=True)
class ModelFiles:
    """``clock_mhz`` is None, and ``labels`` are empty, where nothing tells them."""

    image: Image
    clock_mhz: float | None = None
    labels: tuple[str, ...] = ()


def load_model_files(path: Path | str) -> ModelFiles:
    """Reads an image, or the folder that has one as ``model.image``.

    Of a folder, the clock is that of the bitstream built there, else that of the board.

    Raises:
        ImageError: the image is missing, damaged or of another version.
        InputError: the manifest of a folder is damaged.
    """
    path = Path(path)
    if not path.is_dir():
        return ModelFiles(Image.load(path))
    image = Image.load(path / "model.image")
    manifest = _record(path / "manifest.json")
    built = _record(path / "build.json")
    if built.get("fingerprint") != image.config.fingerprint:
        built = {}
    clock = built.get("clock_mhz", manifest.get("clock_mhz"))
    labels = manifest.get("labels", [])
    if not isinstance(clock, float | int | None) or not isinstance(labels, list):
        raise InputError(f"{path / 'manifest.json'}: damaged; generate the folder again")
    return ModelFiles(image, clock, tuple(str(label) for label in labels))


def _record(path: Path) -> dict[str, Any]:
    """A JSON object; empty if there is no such file."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise InputError(f"{path}: damaged; write the folder again")
    return record
