# SPDX-License-Identifier: BSD-2-Clause
"""What the process of a virtual board is told."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ..rtl.host import PERIOD_NS

#: The design's clock, in simulated time.
CLOCK_MHZ = 1000 // PERIOD_NS
#: Clock cycles of a bit of the UART, and of a period of SPI's clock: the least that are possible.
BIT_CYCLES = 6
SPI_CYCLES = 8

_FILE = "settings.json"


@dataclass(frozen=True)
class Settings:
    """``built`` is a folder of ``rtl.build``; ``link`` a value of ``LinkKind``."""

    link: str
    built: str
    flash: bool

    def save(self, work: Path) -> None:
        (work / _FILE).write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, work: Path) -> Settings:
        return cls(**json.loads((work / _FILE).read_text()))
