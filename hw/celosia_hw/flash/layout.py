# SPDX-License-Identifier: BSD-2-Clause
"""Where a board's data lies in its flash memory."""

from __future__ import annotations

#: From the beginning of a board's data to the weights that are streamed; before them lies the boot
#: stream.
WEIGHTS_OFFSET = 1 << 20
#: The data begin at a multiple of this.
ALIGNMENT = 1 << 16
