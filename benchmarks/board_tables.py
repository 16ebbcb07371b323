# SPDX-License-Identifier: BSD-2-Clause
"""The boards' section of docs/performance.md, from the results of benchmarks/boards.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

Results: TypeAlias = dict[str, Any]

MODELS = {
    "pretrainedResnet_quant": "image classification",
    "kws_ref_model": "keyword spotting",
    "vww_96_int8": "visual wake words",
    "ad01_int8": "anomaly detection",
    "str_ww_ref_model": "streaming wake word",
}
TITLES = {
    "up5k": "UP5K",
    "up5k_spi": "UP5K, SPI",
    "up5k_flash": "UP5K, UART and flash",
    "25f": "ECP5-25F",
    "45f": "ECP5-45F",
    "85f": "ECP5-85F",
}

#: Published latencies in ms of the same tasks: image classification, keyword spotting, visual wake
#: words, anomaly detection. Results of MLPerf Tiny, and of the projects' own publications.
PEERS: tuple[tuple[str, tuple[float | None, ...]], ...] = (
    ("fpgaConvNet, Cora-Z7 (Zynq 7007S, 66 DSP), 143 MHz", (None, 4.21, None, None)),
    ("fpgaConvNet, Zybo (Zynq 7010, 80 DSP), 125 MHz", (3.15, 2.15, None, None)),
    ("fpgaConvNet, ZedBoard (Zynq 7020, 220 DSP), 111-143 MHz", (0.411, 0.324, 9.49, None)),
    ("hls4ml and FINN, Pynq-Z2 (Zynq 7020), own models", (27.3, 0.0175, None, 0.0187)),
    ("hls4ml 1.0, Pynq-Z2, own 8-bit ResNet", (7.64, None, None, None)),
    ("Andes D45 soft processor, Kintex-7, 60 MHz", (None, 68, 226, 12.1)),
    ("GreenWaves GAP9, 370 MHz", (0.62, 0.48, 1.12, 0.18)),
    ("Syntiant NDP9120, 98 MHz", (5.12, 1.48, 4.10, None)),
    ("Renesas RA8D1 (Cortex-M85), 480 MHz", (8.48, 3.46, 13.4, 0.53)),
    ("ST H7A3 (Cortex-M7), 280 MHz", (40.8, 11.3, 23.8, 1.23)),
    ("ST L4R5 (Cortex-M4), 120 MHz", (166, 43, 89, 4.8)),
)

HEAD = """## On boards

Complete designs: accelerator, PLL, reset, link (UART unless another is named) and LEDs, in the
standard configuration of the board. Timing is after routing, in the worst corner, as nextpnr
reports it; no board was attached. Written by

    python -m benchmarks.boards up5k up5k_spi up5k_flash 25f 45f 85f latency

Clocks are met: the design was built for that frequency and its timing holds. All builds, with date,
configuration, seeds and versions of the tools, are in `benchmarks/results/boards.json`.

| design | value | required | aim |
| --- | ---: | ---: | ---: |"""

BUILDS = """
| design | built for MHz | reached MHz, by seed | logic cells | flip-flops | block RAMs | DSPs |
| --- | ---: | --- | ---: | ---: | ---: | ---: |"""

LATENCY = """
### Latency

Milliseconds of one inference: cycles measured in RTL on that array, by the clock that its design
meets. Models that need another division of the memories between weights and activations are taken
at the same clock. Without the transfer of input and output.

| model | {columns} |
| --- | {lines} |"""

EXTERNAL = """
* The weights do not fit on the chip and are streamed from the board's flash memory. The ULX3S's is
  read on one line at half the clock, 16 cycles a byte, which takes most of the time: not measured.
  On UP5K the time is that of the design with flash, half a byte a cycle."""

PEER_HEAD = """
Beside it, published figures of the same tasks (MLPerf Tiny's results, and the publications of
fpgaConvNet and hls4ml): int8 models of the benchmark unless it says "own". In ms:

| system | {columns} |
| --- | {lines} |"""


def board_tables(results: Results) -> str:
    """The whole section, of what is in ``results``."""
    lines = [HEAD, *_goals(results), BUILDS]
    for name, builds in results["builds"].items():
        for clock in sorted(builds, key=float):
            lines.append(_build_row(name, builds[clock]))
    if results["builds"]:
        records = [r for builds in results["builds"].values() for r in builds.values()]
        tools = dict.fromkeys(
            " ".join(named) for record in records for named in record["tools"].items()
        )
        dates = sorted({record["date"] for record in records})
        lines += ["", f"Built on {', '.join(dates)} with {', '.join(tools)}."]
    if results["cycles"]:
        lines += _latency(results)
    return "\n".join(lines) + "\n"


def met_clock(builds: dict[str, Any]) -> dict[str, Any] | None:
    """The build with the highest clock that is met."""
    met = [record for record in builds.values() if record["met"]]
    return max(met, key=lambda record: float(record["clock_mhz"]), default=None)


def _goals(results: Results) -> Iterator[str]:
    up5k = results["builds"].get("up5k", {})
    for mhz, what in (("24", "required"), ("36", "aim")):
        if (record := up5k.get(mhz)) is None:
            continue
        if what == "required":
            cells = record["resources"]["logic_cells"]["used"]
            yield _goal("UP5K, 16 MAC/cycle: logic cells", cells, 5100, 4000, less=True)
        passed = sum(f >= record["required_mhz"] for f in record["fmax_mhz"].values())
        tried = len(record["fmax_mhz"]) + len(record["unrouted"])
        verdict = _verdict("4 of 5", 0 < 4 * tried <= 5 * passed)
        yield (
            f"| UP5K, 16 MAC/cycle: seeds that meet {mhz} MHz ({what}) | **{passed} of {tried}** "
            f"| {verdict if what == 'required' else ''} | {verdict if what == 'aim' else ''} |"
        )
    for name, text, required, aim in (
        ("25f", "ECP5-25F, speed 6, all 28 multipliers: clock in MHz", 70, 100),
        ("85f", "ECP5-85F, speed 6, {macs} MAC/cycle: clock in MHz", 80, 110),
    ):
        builds = results["builds"].get(name, {})
        if (best := met_clock(builds)) is not None:
            title = text.format(macs=best["macs_per_cycle"])
            yield _goal(title, best["clock_mhz"], required, aim)
            if name == "85f":
                title = "ECP5-85F: int8 MAC/cycle with timing met"
                yield _goal(title, best["macs_per_cycle"], 128, 312)
    limits = (("up5k", "24", 300, 120), ("85f", None, 1500, 600))
    for name, clock, required, aim in limits:
        builds = results["builds"].get(name, {})
        record = builds.get(clock) if clock else met_clock(builds)
        if record is not None and record["fmax_mhz"]:
            title = f"{TITLES[name]}: seconds of a build with one seed, {record['machine']}"
            yield _goal(title, round(record["seconds"]["total"]), required, aim, less=True)
    yield ""
    yield "Seconds are of the machine that built it; beside the UP5K it did other work."


def _goal(title: str, value: float, required: float, aim: float, *, less: bool = False) -> str:
    def verdict(limit: float) -> str:
        return _verdict(f"{limit:,g}", value <= limit if less else value >= limit)

    return f"| {title} | **{value:,g}** | {verdict(required)} | {verdict(aim)} |"


def _verdict(limit: str, met: bool) -> str:
    return f"{limit} {'yes' if met else 'no'}"


def _build_row(name: str, record: dict[str, Any]) -> str:
    required = record["required_mhz"]
    reached = {
        int(seed): f"{fmax:g}" if fmax >= required else f"{fmax:g} (missed)"
        for seed, fmax in record["fmax_mhz"].items()
    }
    reached |= dict.fromkeys(record["unrouted"], "not routed")
    seeds = ", ".join(reached[seed] for seed in sorted(reached)) or "does not fit"
    used = record["resources"]
    counts = (f"{used[k]['used']:,} of {used[k]['available']:,}" for k in ("logic_cells", "ff"))
    blocks = (f"{used[k]['used']} of {used[k]['available']}" for k in ("bram", "dsp"))
    cells = (f"{TITLES[name]}, {record['array']}", f"{record['clock_mhz']:g}", seeds)
    return f"| {' | '.join((*cells, *counts, *blocks))} |"


def _latency(results: Results) -> Iterator[str]:
    columns, clocks = [], {}
    for name, title in TITLES.items():
        best = met_clock(results["builds"].get(name, {}))
        if best is not None and name in results["cycles"]:
            clocks[name] = best["clock_mhz"]
            columns.append(f"{title}, {best['array']}, {best['clock_mhz']:g} MHz")
    yield LATENCY.format(columns=" | ".join(columns), lines=" | ".join("---:" for _ in columns))
    external = False
    streaming = met_clock(results["builds"].get("up5k_flash", {}))
    for model, title in MODELS.items():
        cells = []
        for name, clock in clocks.items():
            found = results["cycles"][name].get(model)
            if found is None or "error" in found:
                cells.append("does not fit" if found else "")
            elif found["weights"] == "streamed":
                external = True
                cells.append("*")
                if name == "up5k" and streaming is not None:
                    time = found["cycles"] / streaming["clock_mhz"] / 1000
                    cells[-1] = f"**{time:.3g}** ({found['cycles']:,}) *"
            else:
                cells.append(f"**{found['cycles'] / clock / 1000:.3g}** ({found['cycles']:,})")
        yield f"| {title} (`{model}`) | {' | '.join(cells)} |"
    yield ""
    yield "Cycles are in brackets."
    if external:
        yield EXTERNAL
    tasks = list(MODELS.values())[:4]
    yield PEER_HEAD.format(columns=" | ".join(tasks), lines=" | ".join("---:" for _ in tasks))
    for system, times in PEERS:
        yield f"| {system} | {' | '.join('' if t is None else f'{t:g}' for t in times)} |"
