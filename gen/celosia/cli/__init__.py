# SPDX-License-Identifier: BSD-2-Clause
"""The command line: ``celosia COMMAND``."""


def main() -> None:
    """Entry point of the console script."""
    # Imported here, as importing a package should not import its command line.
    from .app import celosia

    celosia(prog_name="celosia")
