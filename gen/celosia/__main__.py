# SPDX-License-Identifier: BSD-2-Clause
"""``python -m celosia`` is the command line."""

from celosia.cli import main

main()
