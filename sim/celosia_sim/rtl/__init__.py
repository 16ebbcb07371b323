# SPDX-License-Identifier: BSD-2-Clause
"""Runs generated Verilog in cocotb, on Verilator or Icarus."""
