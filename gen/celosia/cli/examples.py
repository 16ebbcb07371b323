# SPDX-License-Identifier: BSD-2-Clause
"""Examples at the end of a help text."""

from __future__ import annotations


def examples(*commands: str) -> str:
    """An epilog for click that shows ``commands``, one a line."""
    # \b keeps click from joining the lines of the paragraph.
    return "\b\n" + "\n".join(["Examples:", *(f"  {command}" for command in commands)])
