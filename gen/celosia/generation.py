# SPDX-License-Identifier: BSD-2-Clause
"""From a model file to a folder with an accelerator and the image that runs the model on it."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from celosia.compiler.compile import compile_graph
from celosia.compiler.image import Image, ImageSpace, TensorPort
from celosia.compiler.sizing import size_config
from celosia.compiler.suggest import suggestion
from celosia.errors import BoardError, FitError, ModelError
from celosia.estimate import estimate
from celosia.firmware.model_header import model_header
from celosia.folder import IMAGE, MANIFEST, MODEL, VERILOG, Folder
from celosia.importer import load_tflite
from celosia.known_answers import Reference, known_answers
from celosia.labels import load_labels
from celosia.output_directory import complete_directory
from celosia.passes import optimize
from celosia_hw.boards import Board, get_board
from celosia_hw.boards import BoardError as UnknownBoard
from celosia_hw.config import AcceleratorConfig


def generate(
    model: Path | str,
    *,
    board: str,
    array: tuple[int, int] | None = None,
    output: Path | str | None = None,
    config: AcceleratorConfig | Path | str | None = None,
    external_rate: float = 0.5,
    wishbone: bool = False,
    labels: Path | str | None = None,
    reference: Reference | None = None,
) -> dict[str, Any]:
    """Writes the accelerator's Verilog and the image of a model.

    Args:
        model: an int8 ``.tflite`` file.
        board: name of a board.
        array: output channels by input channels of the MAC array; the board's own by default.
        output: folder to write, ``build`` and the model's name by default. It is written
            completely or not at all: ``top.v``, ``model.image``, ``model.h``, ``model.tflite`` (a
            copy) and ``manifest.json``.
        config: configuration to use instead of one that is chosen for the model, or the folder
            that has it (or its manifest), so that the model runs on an accelerator that exists
            already.
        external_rate: bytes a cycle of the memory behind the external port, for the prediction.
        wishbone: write ``wishbone.v`` as well, the accelerator as a peripheral of that bus, with
            the primitives of the board's FPGA.
        labels: text file with the names of the model's classes, one a line, for ``model.h``.
        reference: computes the known answers that the image carries, which hosts compare with a
            board's after loading; ``celosia.generate`` has the integer reference here, and without
            one there is no such test.

    Returns:
        What the manifest says.

    Raises:
        CelosiaError: the model, the board, the array or the labels are bad, the model does not
            fit, or the folder cannot be written.
    """
    path = Path(model)
    target = _board(board)
    chosen = _config(config)
    if chosen is not None and array not in (None, (chosen.output_channels, chosen.input_channels)):
        raise BoardError(f"the configuration has the array {chosen.name}; leave the array out")
    names = load_labels(labels) if labels else ()
    folder = Path(output) if output is not None else Path("build") / path.stem
    # Begun first, so that a folder that cannot be written is noticed before the work.
    with complete_directory(folder, marker=MANIFEST) as work:
        graph = optimize(load_tflite(path))
        try:
            chosen = chosen or size_config(graph, target, array)
            image = compile_graph(graph, chosen, external_rate=external_rate)
        except (BoardError, FitError) as error:
            hint = suggestion(graph, target, chosen)
            raise type(error)(f"{target.name}: {error}; {hint}") from None
        if reference is not None:
            image = replace(image, self_test=known_answers(graph, image, reference))
        header = model_header(image, target.clock_mhz, names)
        # Imported late: it brings the hardware language along.
        from celosia_hw.primitives import Technology
        from celosia_hw.verilog import to_verilog, wishbone_verilog

        contents = {VERILOG: to_verilog(chosen).encode(), IMAGE: image.to_bytes()}
        for name, content in contents.items():
            (work / name).write_bytes(content)
        (work / "model.h").write_text(header)
        if wishbone:
            technology = Technology(target.family)
            (work / "wishbone.v").write_text(wishbone_verilog(chosen, technology=technology))
        shutil.copyfile(path, work / MODEL)
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        record = manifest(path, target, image, hashes)
        (work / MANIFEST).write_text(json.dumps(record, indent=2) + "\n")
    return record


def manifest(model: Path, board: Board, image: Image, hashes: dict[str, str]) -> dict[str, Any]:
    """What was generated, in types that JSON has; ``hashes`` are of the files that are checked
    whenever the folder is read."""
    config = image.config
    cycles = image.cycles
    ideal = image.macs / config.macs_per_cycle
    return {
        "model": model.name,
        "sha256": _sha256(model),
        "files": hashes,
        "board": board.name,
        "clock_mhz": board.clock_mhz,
        "array": config.name,
        "fingerprint": config.fingerprint,
        "config": config.to_dict(),
        "image_bytes": len(image.to_bytes()),
        "memories": {
            "scratch": {"bytes": config.scratch_bytes, "used": image.usage["scratch_bytes"]},
            "weights": {
                "bytes": 4 * config.weight_chunks * config.weight_depth,
                "model_bytes": image.usage["weight_bytes"],
                "source": _source(image, ImageSpace.WEIGHTS, "weight_source"),
            },
            "parameters": {
                "bytes": 4 * config.parameter_chunks * config.parameter_depth,
                "rows": image.usage["parameter_rows"],
                "source": _source(image, ImageSpace.PARAMETERS, "parameter_source"),
            },
        },
        "estimate": estimate(board, config).to_dict(),
        "instructions": len(image.instructions),
        "macs": image.macs,
        "predicted_cycles": cycles,
        "predicted_ms": round(cycles / (1000 * board.clock_mhz), 4),
        "predicted_utilization": round(ideal / cycles, 4) if cycles else 0.0,
        "external_rate": image.external_rate,
        "layers": [
            {
                "name": layer.name,
                "op": layer.op,
                "index": layer.index,
                "macs": layer.macs,
                "predicted_cycles": layer.cycles,
                "instructions": layer.last - layer.first + 1,
            }
            for layer in image.layers
        ],
        "host": [
            {"op": op.op, "index": op.index, "input": op.input, "output": op.output}
            | ({"attributes": op.attributes} if op.attributes else {})
            for op in image.host
        ],
        "inputs": [_port(port) for port in image.inputs],
        "outputs": [_port(port) for port in image.outputs],
    }


def _board(name: str) -> Board:
    try:
        return get_board(name)
    except UnknownBoard as error:
        raise BoardError(str(error)) from None


def _config(given: AcceleratorConfig | Path | str | None) -> AcceleratorConfig | None:
    if given is None or isinstance(given, AcceleratorConfig):
        return given
    folder = Folder(Path(given).parent if Path(given).name == MANIFEST else given)
    folder.check()
    return folder.config


def _source(image: Image, space: ImageSpace, key: str) -> str:
    return ("on chip", "scratchpad", "external")[image.usage[key]]


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None


def _port(port: TensorPort) -> dict[str, Any]:
    return {
        "name": port.name,
        "dtype": port.dtype,
        "shape": list(port.shape),
        "address": port.address,
        "strides": list(port.strides),
        "scale": port.scale,
        "zero_point": port.zero_point,
    }
