# SPDX-License-Identifier: BSD-2-Clause
"""A model of a serial flash memory, and its connection to simulated pins."""

from .chip import W25Q128JV
from .commands import SIZE
from .limits import FlashError, Limits

__all__ = ["SIZE", "W25Q128JV", "FlashError", "Limits"]
