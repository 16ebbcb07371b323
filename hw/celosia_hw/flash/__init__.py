# SPDX-License-Identifier: BSD-2-Clause
"""The way to the memory that a board's FPGA is configured from."""
