# SPDX-License-Identifier: BSD-2-Clause
"""``celosia run``."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import numpy.typing as npt
from rich.console import Console

from celosia.errors import InputError
from celosia.labels import load_labels
from celosia.output_files import check_writable, npy_bytes, write_files

from .examples import examples
from .progress import Advance, progress_bars
from .report import Report, reporting
from .virtual_board import STAGES, virtual_board

if TYPE_CHECKING:
    from celosia.host import Device
    from celosia.host.signature import Samples, TensorInfo

_STAGES = {**STAGES, "load": "Loading", "test": "Testing", "run": "Running"}
_UNITS = {"load": "bytes", "test": "bytes", "run": "samples"}


def _show(out: Console, report: Report) -> None:
    times = report["milliseconds"]
    out.print(f"self-test {_self_test_text(report['self_test'])}")
    for number, (cycles, peak) in enumerate(zip(report["cycles"], report["peaks"], strict=True)):
        place = ", ".join(map(str, peak["position"]))
        label = f" {peak['label']}" if peak["label"] is not None else ""
        time = f", {times[number]:.3f} ms" if times else ""
        out.print(
            f"sample {number}: largest output {peak['value']:.6g} at ({place}){label}, "
            f"{cycles:,} cycles{time}"
        )
    clock = f" at {report['clock_mhz']:g} MHz" if report["clock_mhz"] else ""
    out.print(
        f"{report['samples']} samples on {report['port']}{clock}; requests that had to be "
        f"repeated: {report['retries']}"
    )
    if report["recoveries"]:
        out.print(f"the device was reset {report['recoveries']} times, and written to again")


def _self_test_text(test: Report) -> str:
    if test["result"] != "passed":
        reason = "the image has no known answers; generate it again"
        return f"{test['result']}: {reason}" if test["result"] == "absent" else test["result"]
    time = f", {test['milliseconds']:.3f} ms" if test["milliseconds"] is not None else ""
    return (
        f"passed: {test['checks']} tensors equal the integer reference, {test['cycles']:,} "
        f"cycles{time}; took {test['seconds']:.1f} s"
    )


@click.command(
    short_help="Run a model on a board.",
    epilog=examples(
        "celosia run build/model --port /dev/ttyUSB1 --input images.npy",
        "celosia run build/model --port COM4 --input images.npy --labels labels.txt --samples 5",
        "celosia run build/model --port spi:0.0 --baud 2000000 --input images.npy --json",
        "celosia run build/model --virtual --input images.npy",
    ),
)
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--port",
    metavar="PORT",
    help="Serial port (/dev/ttyUSB1, COM4), URL of pyserial (socket://host:port) or "
    "spi:BUS.DEVICE.",
)
@click.option("--virtual", is_flag=True, help="Run on a simulated board instead.")
@click.option(
    "--baud",
    type=click.IntRange(min=1),
    metavar="RATE",
    help="Bits a second, of SPI as well. [default: 1000000]",
)
@click.option(
    "--input",
    "input_files",
    type=click.Path(path_type=Path),
    required=True,
    multiple=True,
    metavar="FILE.npy",
    help="Samples: the model's input shape behind an axis of samples; of the model's type, or "
    "floating point numbers that are quantized with the model's scale. Once for each input.",
)
@click.option("--samples", type=click.IntRange(min=1), help="Only this many samples.")
@click.option(
    "--labels",
    "labels_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Names of the output's elements, one a line. [default: those in the folder, if any]",
)
@click.option(
    "--self-test/--no-self-test",
    default=True,
    show_default=True,
    help="Whether to compare what each layer makes of a known input before the first sample.",
)
@reporting(_show)
def run(
    directory: Path,
    *,
    port: str | None,
    virtual: bool,
    baud: int | None,
    input_files: tuple[Path, ...],
    samples: int | None,
    labels_file: Path | None,
    self_test: bool,
    quiet: bool,
) -> Report:
    """Load the model in DIRECTORY into a board and run it on real input.

    The board's bitstream must be that of this model, or of another one for the same accelerator.
    After loading, the model's known-answer test is run, and the command ends if any layer differs.
    Shows the largest output and the latency of each sample, as the accelerator counts it, and
    writes outputs.npy into the folder.
    """
    from celosia.host import Device
    from celosia.host.model_files import load_model_files
    from celosia.host.signature import Signature
    from celosia.samples import load_samples

    if (port is None) != virtual:
        raise click.UsageError("give --port or --virtual, one of them")
    # All that can be wrong with files is found before anything is sent.
    files = load_model_files(directory)
    signature = Signature(files.image)
    arrays = [load_samples(file) for file in input_files]
    given = signature.samples(tuple(arrays) if len(arrays) > 1 else arrays[0]).first(samples)
    labels = load_labels(labels_file) if labels_file is not None else list(files.labels)
    classes = math.prod(signature.outputs[0].shape)
    if labels and len(labels) != classes:
        raise InputError(
            f"{labels_file or directory / 'manifest.json'}: there are {len(labels)} labels for "
            f"{classes} elements of the output"
        )
    folder = directory if directory.is_dir() else directory.parent
    check_writable(folder)
    with ExitStack() as stack:
        advance = stack.enter_context(progress_bars(_STAGES, _UNITS, quiet=quiet))
        options: dict[str, Any] = {}
        if port is None:
            board = stack.enter_context(virtual_board(directory, advance))
            port = board.port
            options["baud_rate"] = board.baud_rate
        if baud is not None:
            options["baud_rate"] = baud
        device = stack.enter_context(Device.open(port, **options))
        device.load(directory, advance, self_test=self_test)
        outputs, cycles, layers = _run_all(device, given, advance)
        clock = device.clock_mhz
        return {
            "port": port,
            "clock_mhz": clock,
            "self_test": _self_test(device, wanted=self_test),
            "samples": len(cycles),
            "cycles": cycles,
            "milliseconds": [count / (1000 * clock) for count in cycles] if clock else [],
            "layers": layers,
            "retries": device.retries,
            "recoveries": device.recoveries,
            "outputs": _save(folder, outputs),
            "peaks": [_peak(signature.outputs[0], output, labels) for output in outputs[0]],
        }


def _self_test(device: Device, *, wanted: bool) -> Report:
    test = device.last_self_test
    if test is None:
        return {"result": "absent" if wanted else "left out"}
    return {"result": "passed", **asdict(test)}


def _run_all(
    device: Device, samples: Samples, advance: Advance
) -> tuple[list[npt.NDArray[Any]], list[int], list[Report]]:
    """Each output of the model for all samples, cycles by sample, and those of the first's
    layers."""
    results, cycles = [], []
    layers: list[Report] = []
    advance("run", 0, samples.count, "")
    for result in device.run(samples):
        results.append(result)
        assert device.last_run is not None
        cycles.append(device.last_run.cycles)
        layers = layers or [asdict(layer) for layer in device.last_run.layers]
        advance("run", len(results), samples.count, "")
    return [np.stack(output) for output in zip(*results, strict=True)], cycles, layers


def _save(folder: Path, outputs: list[npt.NDArray[Any]]) -> list[str]:
    """Writes ``outputs.npy``, and ``outputs_1.npy`` and so on for further outputs."""
    contents = {
        f"outputs_{number}.npy" if number else "outputs.npy": npy_bytes(output)
        for number, output in enumerate(outputs)
    }
    write_files(folder, contents)
    return [str(folder / name) for name in contents]


def _peak(info: TensorInfo, output: npt.NDArray[Any], labels: list[str]) -> Report:
    """The largest element of a sample's output: the class, for a classifier."""
    index = int(np.argmax(output))
    position = np.unravel_index(index, output.shape)
    return {
        # The batch says nothing.
        "position": [int(i) for i in position[info.has_batch :]],
        "value": output[position].item(),
        "label": labels[index] if labels else None,
    }
