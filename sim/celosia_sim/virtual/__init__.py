# SPDX-License-Identifier: BSD-2-Clause
"""A board made of software: the design at its pins, simulated, behind a port of this machine."""

from .board import VirtualBoard

__all__ = ["VirtualBoard"]
