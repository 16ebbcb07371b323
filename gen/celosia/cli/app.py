# SPDX-License-Identifier: BSD-2-Clause
"""The group of all commands."""

from __future__ import annotations

import click

from .boards import boards
from .build import build
from .examples import examples
from .generate import generate
from .inspect import inspect
from .program import program
from .run import run
from .simulate import simulate
from .virtual import virtual


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "celosia inspect model.tflite",
        "celosia generate model.tflite --board icebreaker -o build/model",
        "celosia simulate build/model --input images.npy",
        "celosia build build/model",
        "celosia program build/model",
        "celosia run build/model --port /dev/ttyUSB1 --input images.npy",
    ),
)
@click.version_option(package_name="celosia", message="%(prog)s %(version)s")
def celosia() -> None:
    r"""From an int8 TensorFlow Lite model to a bit-exact accelerator for a small FPGA.

    \b
    Exit codes: 0 success; 1 a simulation's outputs differ from the reference;
    2 the command could not be carried out, with one message that says why.
    """


for command in (generate, simulate, build, program, run, virtual, inspect, boards):
    celosia.add_command(command)
