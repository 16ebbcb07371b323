# SPDX-License-Identifier: BSD-2-Clause
"""A small design for both families."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from celosia.toolchain import Design, Sources
from celosia.toolchain.blocks import Blocks
from celosia.toolchain.netlist import read_netlist
from celosia.toolchain.synthesize import NETLIST

#: Blocks in two levels, with a memory and logic between blocks. As in what Amaranth writes, each
#: module has one instance.
VERILOG = """
module first(input clk, input [7:0] d, input en, output reg [7:0] q);
  always @(posedge clk) if (en) q <= q ^ (d + 8'd3);
endmodule
module second(input clk, input [7:0] d, input en, output reg [7:0] q);
  always @(posedge clk) if (en) q <= q ^ (d + 8'd5);
endmodule
module store(input clk, input [7:0] a, input [7:0] wd, input we, output reg [7:0] rd);
  reg [7:0] m [0:255];
  always @(posedge clk) begin rd <= m[a]; if (we) m[a + 8'd1] <= wd; end
endmodule
module core(input clk, input [7:0] d, output [7:0] q);
  wire [7:0] x, y; reg en;
  always @(posedge clk) en <= ^x & d[0];
  first first(.clk(clk), .d(d), .en(en), .q(x));
  second second(.clk(clk), .d(x + y), .en(d[1]), .q(q));
  store ram(.clk(clk), .a(x), .wd(d), .we(en), .rd(y));
endmodule
module top(input clk, input rx, output tx);
  reg [7:0] s; wire [7:0] q;
  always @(posedge clk) s <= {s[6:0], rx};
  core core(.clk(clk), .d(s), .q(q));
  assign tx = ^q;
endmodule
"""
#: Flip-flops of each block of it, and memories.
FLIP_FLOPS = {"core.first": 8, "core.second": 8, "core": 1, "top": 8}

OPTIONS = {
    "ice40": ("--up5k", "--package", "sg48"),
    "ecp5": ("--25k", "--package", "CABGA381", "--speed", "6"),
}
DEVICES = {"ice40": "iCE40UP5K", "ecp5": "LFE5U-25F"}


def sources_of(family: str, verilog: str = VERILOG, mhz: float = 20.0) -> Sources:
    """A design for the device of ``family``, without constraints."""
    return Sources(
        top="top",
        files={"top.v": verilog},
        family=family,
        device=DEVICES[family],
        nextpnr_options=OPTIONS[family],
        clock_mhz=mhz,
        required_mhz=mhz,
    )


#: What progress tells: stage, done, total, detail.
Step: TypeAlias = tuple[str, float, float | None, str]


@dataclass(frozen=True)
class Built:
    """A built design, and what was told of its progress."""

    sources: Sources
    folder: Path
    design: Design
    steps: list[Step]

    @property
    def blocks(self) -> Blocks:
        return Blocks(read_netlist(self.folder / NETLIST, self.sources.top))
