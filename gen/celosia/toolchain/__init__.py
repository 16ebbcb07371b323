# SPDX-License-Identifier: BSD-2-Clause
"""Bitstreams: finds and runs Yosys, nextpnr and the tools that write and load bitstreams."""

from .flow import BuildResult, Design, build, build_design
from .sources import Sources, elaborate

__all__ = ["BuildResult", "Design", "Sources", "build", "build_design", "elaborate"]
