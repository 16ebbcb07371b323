# SPDX-License-Identifier: BSD-2-Clause
"""Errors that a user can cause. Each message names the file or the part, the reason, and a remedy.

The command line prints the message alone and exits with a non-zero code; a traceback from Celosia
is always a defect of Celosia.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class CelosiaError(Exception):
    """Base of all errors caused by what a user supplied or by the machine it runs on."""


@dataclass(frozen=True)
class Problem:
    """One thing in a model file that stands in the way, and what to do about it.

    ``operator_index`` and ``operator`` name the operator in the file (the schema's name, such as
    CONV_2D); they are None where the problem is of the whole file.
    """

    reason: str
    remedy: str
    operator_index: int | None = None
    operator: str | None = None
    tensor: str | None = None

    def __str__(self) -> str:
        place = []
        if self.operator_index is not None:
            place.append(f"operator {self.operator_index} {self.operator}")
        if self.tensor is not None:
            place.append(f"tensor {self.tensor!r}")
        where = ", ".join(place) + ": " if place else ""
        return f"{where}{self.reason}; {self.remedy}"


class ModelError(CelosiaError):
    """A model file cannot be read, is corrupt, or uses what is not supported.

    ``problems`` has everything that was found, not only the first.
    """

    #: More problems than these are counted, not listed, in the message.
    LISTED = 40

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)

    @classmethod
    def of_file(cls, file: str, problems: Sequence[Problem]) -> ModelError:
        """The error that lists all ``problems`` of a file."""
        if len(problems) == 1:
            return cls(f"{file}: {problems[0]}", problems)
        lines = [f"{file}: {len(problems)} problems"]
        lines += [f"  {problem}" for problem in problems[: cls.LISTED]]
        if len(problems) > cls.LISTED:
            lines.append(f"  and {len(problems) - cls.LISTED} more")
        return cls("\n".join(lines), problems)


class FitError(CelosiaError):
    """A model does not fit the hardware configuration, or that does not fit the device."""


class TimingError(CelosiaError):
    """A design is too slow for the clock that it is built for."""


class BoardError(CelosiaError):
    """A board or an array is unknown or impossible."""


class InputError(CelosiaError):
    """Input data has the wrong shape, type or size."""


class ToolError(CelosiaError):
    """A tool that is needed is missing, too old, or failed."""


class OutputError(CelosiaError):
    """A file or folder cannot be written, or is not Celosia's to replace."""
