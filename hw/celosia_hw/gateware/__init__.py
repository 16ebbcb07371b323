# SPDX-License-Identifier: BSD-2-Clause
"""The accelerator's blocks, joined by streams; ``accelerator.Accelerator`` is the whole."""
