# SPDX-License-Identifier: BSD-2-Clause
"""Executes images as docs/architecture.md defines it, without the compiler's knowledge."""

from celosia_sim.program_model.arithmetic import ProgramError
from celosia_sim.program_model.compare import Difference, first_difference
from celosia_sim.program_model.model import Executed, ProgramModel

__all__ = ["Difference", "Executed", "ProgramError", "ProgramModel", "first_difference"]
