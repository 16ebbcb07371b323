# SPDX-License-Identifier: BSD-2-Clause
"""``python -m celosia.firmware > firmware/include/celosia_protocol.h`` writes the header anew."""

from celosia.firmware.protocol_header import protocol_header

print(protocol_header(), end="")
