# SPDX-License-Identifier: BSD-2-Clause
"""Predicts, before any synthesis, what an accelerator takes of a board's device and its clock."""

from .estimate import Estimate, estimate

__all__ = ["Estimate", "estimate"]
