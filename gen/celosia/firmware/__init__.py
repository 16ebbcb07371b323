# SPDX-License-Identifier: BSD-2-Clause
"""C headers for the driver in ``firmware/``: the protocol's numbers, and what a model needs."""

from celosia.firmware.model_header import model_header
from celosia.firmware.protocol_header import protocol_header

__all__ = ["model_header", "protocol_header"]
