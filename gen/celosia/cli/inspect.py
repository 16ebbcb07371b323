# SPDX-License-Identifier: BSD-2-Clause
"""``celosia inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from .examples import examples
from .progress import progress_bars
from .report import Report, reporting


def _show(out: Console, report: Report) -> None:
    out.print(f"{report['model']}: {report['bytes']:,} bytes, sha256 {report['sha256'][:16]}...")
    for what in ("inputs", "outputs"):
        for tensor in report[what]:
            out.print(f"{what[:-1]} {tensor['name']}: {_shape(tensor)}{_scale(tensor)}")
    out.print()
    out.print(_operators(report["operators"]))
    out.print()
    if not report["supported"]:
        out.print("Not supported:")
        for problem in report["problems"]:
            out.print(f"  {_place(problem)}{problem['reason']}; {problem['remedy']}")
        return
    total, optimized = report["total"], report["optimized"]
    out.print("All operators are supported.")
    out.print(
        f"{total['macs']:,} MACs; {total['weights']:,} weights, of which {total['zero_weights']:,} "
        f"are zero; {total['dead_channels']:,} dead channels"
    )
    out.print(
        f"after optimization: {optimized['operations']} operations, {optimized['macs']:,} MACs, "
        f"{optimized['weights']:,} weights"
    )
    out.print()
    out.print(_boards(report["boards"]))
    for board in report["boards"]:
        if not board["fits"]:
            out.print(f"{board['board']}: {board['reason']}")


def _operators(operators: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("#", "OPERATOR", "INPUT", "OUTPUT", "SCALE"):
        table.add_column(title, no_wrap=True)
    for title in ("MACS", "WEIGHTS", "ZERO", "DEAD"):
        table.add_column(title, justify="right", no_wrap=True)
    for operator in operators:
        output = operator["output"]
        dead = operator["dead_channels"]
        table.add_row(
            str(operator["index"]),
            operator["op"],
            " + ".join(_shape(tensor) for tensor in operator["inputs"]),
            _shape(output) if output else "",
            _scale(output).strip() if output else "",
            _count(operator["macs"]),
            _count(operator["weights"]),
            _count(operator["zero_weights"]),
            f"{dead} of {operator['channels']}" if dead else "",
        )
    return table


def _boards(boards: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("BOARD", "ARRAY", "WEIGHTS"):
        table.add_column(title, no_wrap=True)
    for title in ("PREDICTED CYCLES", "MS", "AT MHZ"):
        table.add_column(title, justify="right", no_wrap=True)
    for board in boards:
        figures = ("does not fit", "", "", "")
        if board["fits"]:
            cycles, milliseconds = board["predicted_cycles"], board["predicted_ms"]
            clock = f"{board['clock_mhz']:g}"
            figures = (board["weights"], f"{cycles:,}", f"{milliseconds:.3f}", clock)
        table.add_row(board["board"], board["array"], *figures)
    return table


def _shape(tensor: dict[str, Any]) -> str:
    shape = "x".join(map(str, tensor["shape"])) or "scalar"
    return shape if tensor["type"] == "int8" else f"{shape} {tensor['type']}"


def _scale(tensor: dict[str, Any]) -> str:
    if tensor["scale"] is None or tensor["zero_point"] is None:
        return ""
    return f" {tensor['scale']:.6g} * (q - {tensor['zero_point']})".replace("- -", "+ ")


def _count(number: int | None) -> str:
    return f"{number:,}" if number else ""


def _place(problem: dict[str, Any]) -> str:
    place = []
    if problem["operator_index"] is not None:
        place.append(f"operator {problem['operator_index']} {problem['operator']}")
    if problem["tensor"] is not None:
        place.append(f"tensor {problem['tensor']!r}")
    return ", ".join(place) + ": " if place else ""


@click.command(
    short_help="Tell what is in a model.",
    epilog=examples("celosia inspect model.tflite", "celosia inspect model.tflite --json"),
)
@click.argument("model", type=click.Path(path_type=Path))
@reporting(_show)
def inspect(model: Path, *, quiet: bool) -> Report:
    """Tell what is in MODEL, a .tflite file, whether it is supported, and which boards it fits.

    Lists operators, shapes, scales, MACs, weights and dead channels. DEAD counts the channels whose
    weights are all zero; optimization removes them without changing an output. Then it lists each
    board with the array that suits, where the weights would be, and the predicted time of a run.
    """
    from celosia.inspect import inspect as run

    with progress_bars({"fits": "Trying boards"}, quiet=quiet) as advance:
        return run(model, progress=advance)
