# SPDX-License-Identifier: BSD-2-Clause
"""Fits the estimator of logic and clock to real builds, and reports its error.

    python -m benchmarks.estimator measure ice40   # builds configurations, for minutes
    python -m benchmarks.estimator measure ecp5    # for an hour
    python -m benchmarks.estimator fit             # coefficients, and the errors into the docs

``measure`` keeps each result at once in benchmarks/results/estimator_FAMILY.json and leaves out
what is there already for the same configuration and gateware. ``fit`` uses those and the builds of
benchmarks/boards.py, and writes gen/celosia/estimate/model.json.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from benchmarks.builds import packed_cells, place, synthesize_board
from benchmarks.estimator_fit import Sample, fit_family, report
from benchmarks.page import write_section

from celosia.compiler.sizing import standard_config
from celosia.toolchain.route import DoesNotFitError
from celosia_hw.boards import get_board
from celosia_hw.config import AcceleratorConfig

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results"
MODEL = ROOT / "gen" / "celosia" / "estimate" / "model.json"
GATEWARE = ROOT / "hw" / "celosia_hw"

#: What is built, the most telling first: board, array, what differs from the standard
#: configuration, and whether it is routed as well, for its clock.
CONFIGURATIONS: dict[str, list[tuple[str, tuple[int, int], dict[str, Any], bool]]] = {
    "ice40": [
        ("icebreaker", (2, 2), {"chain_rows": 2}, True),
        ("icebreaker", (4, 4), {"chain_rows": 4, "chain_bits": 22}, False),
        ("icebreaker", (4, 2), {}, False),
        ("icebreaker", (2, 4), {}, True),
        ("icebreaker", (4, 4), {"accumulator_bits": 20, "multiplier_bits": 32}, False),
        ("icebreaker", (2, 4), {"multipliers": "fabric"}, False),
        ("icebreaker", (4, 4), {"chain_rows": 2}, False),
        ("icebreaker", (2, 2), {"requantize_lanes": 2, "parameter_depth": 128}, False),
        ("icebreaker", (4, 4), {"multipliers": "fabric"}, False),
    ],
    "ecp5": [
        ("ulx3s_25f", (4, 2), {}, False),
        ("ulx3s_25f", (4, 4), {}, False),
        ("ulx3s_45f", (8, 8), {}, False),
        ("ulx3s_25f", (8, 4), {"requantize_lanes": 2}, False),
        ("ulx3s_85f", (8, 16), {}, False),
        ("ulx3s_45f", (8, 8), {"multipliers": "mult18_pair"}, False),
        ("ulx3s_85f", (16, 8), {}, False),
        ("ulx3s_45f", (8, 8), {"chain_rows": 8}, False),
        ("ulx3s_25f", (4, 8), {"accumulator_bits": 32, "multiplier_bits": 32}, False),
        ("ulx3s_85f", (16, 16), {}, False),
    ],
}


def gateware_hash() -> str:
    """Tells whether results are of the gateware as it is."""
    digest = hashlib.sha256()
    for file in sorted(GATEWARE.rglob("*.py")):
        digest.update(file.relative_to(GATEWARE).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def measure_one(
    board_name: str, config: AcceleratorConfig, *, routed: bool, work: Path
) -> dict[str, Any]:
    """Synthesizes, and routes if asked to; in types that JSON has."""
    board = get_board(board_name)
    design = synthesize_board(board, config, board.clock_mhz, work / "estimator")
    used = design.netlist.totals()
    record: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "gateware": gateware_hash(),
        "board": board_name,
        "config": config.to_dict(),
        "used": dict(used),
        "fmax_mhz": None,
        "tools": design.versions,
    }
    record["used"]["logic_cells"] = packed_cells(design)
    if routed:
        try:
            record["fmax_mhz"] = round(place(design, 1).fmax_mhz, 2)
        except DoesNotFitError:
            click.echo(f"{config.name} does not fit {board.device.name}")
    return record


def load(family: str) -> list[dict[str, Any]]:
    file = RESULTS / f"estimator_{family}.json"
    if not file.exists():
        return []
    records: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return records


def samples(family: str) -> list[Sample]:
    """All builds of a family, the newest of each configuration."""
    found: dict[int, Sample] = {}
    for record in load(family):
        config = AcceleratorConfig.from_record(record["config"])
        found[config.fingerprint] = Sample(config, record["used"], record["fmax_mhz"])
    boards = RESULTS / "boards.json"
    builds = json.loads(boards.read_text(encoding="utf-8"))["builds"] if boards.exists() else {}
    for records in builds.values():
        for record in sorted(records.values(), key=lambda r: float(r["clock_mhz"])):
            if get_board(record["board"]).family == family:
                config = AcceleratorConfig.from_record(record["config"])
                used = {name: counted["used"] for name, counted in record["resources"].items()}
                fmax = max(record["fmax_mhz"].values(), default=None)
                found[config.fingerprint] = Sample(config, used, fmax)
    return list(found.values())


@click.group()
def main() -> None:
    """Fit the estimator of logic and clock."""


@main.command()
@click.argument("family", type=click.Choice(list(CONFIGURATIONS)))
@click.option("--count", type=int, default=None, help="Only that many configurations.")
@click.option(
    "--work",
    type=click.Path(path_type=Path, file_okay=False),
    default=ROOT / "build",
    help="Where the tools run.",
)
def measure(family: str, *, count: int | None, work: Path) -> None:
    """Build the configurations of FAMILY."""
    gateware = gateware_hash()
    for board, array, changes, routed in CONFIGURATIONS[family][:count]:
        config = replace(standard_config(get_board(board), array), **changes)
        kept = [r for r in load(family) if r["config"] != config.to_dict()]
        if any(r["config"] == config.to_dict() and r["gateware"] == gateware for r in load(family)):
            continue
        record = measure_one(board, config, routed=routed, work=work)
        text = json.dumps([*kept, record], indent=2)
        (RESULTS / f"estimator_{family}.json").write_text(text + "\n", encoding="utf-8")
        click.echo(f"{config.name} {changes}: {record['used']}, {record['fmax_mhz']} MHz")


@main.command()
def fit() -> None:
    """Fit coefficients and write the estimator's section of docs/performance.md."""
    fits = {}
    for family in CONFIGURATIONS:
        found = samples(family)
        if len(found) < 2:
            raise click.ClickException(f"{family}: too few builds; run 'measure {family}' first")
        fits[family] = fit_family(family, found)
    date = datetime.date.today().isoformat()
    model = {family: {"date": date, **result.coefficients} for family, result in fits.items()}
    MODEL.write_text(json.dumps(model, indent=2) + "\n", encoding="utf-8")
    text = report(fits, date)
    write_section("estimator", text)
    click.echo(text)


if __name__ == "__main__":
    main()
