# SPDX-License-Identifier: BSD-2-Clause
"""Errors that a user can cause. Each message names the file or the part, the reason, and a remedy.

The command line prints the message alone and exits with a non-zero code; a traceback from Celosia
is always a defect of Celosia.
"""


class CelosiaError(Exception):
    """Base of all errors caused by what a user supplied or by the machine it runs on."""


class ModelError(CelosiaError):
    """A model file cannot be read, is corrupt, or uses what is not supported."""


class FitError(CelosiaError):
    """A model does not fit the hardware configuration."""


class BoardError(CelosiaError):
    """A board or an array is unknown or impossible."""


class InputError(CelosiaError):
    """Input data has the wrong shape, type or size."""


class ToolError(CelosiaError):
    """A tool that is needed is missing, too old, or failed."""
