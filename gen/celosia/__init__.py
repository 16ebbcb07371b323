# SPDX-License-Identifier: BSD-2-Clause
"""Celosia: from an int8 TensorFlow Lite model to a bit-exact accelerator for a small FPGA.

>>> import celosia
>>> manifest = celosia.generate("model.tflite", board="icebreaker", output="build/model")
>>> result = celosia.simulate("build/model", "images.npy")
>>> bitstream = celosia.build("build/model", seeds=range(1, 6)).bitstream
>>> with celosia.Device.open("/dev/ttyUSB1") as device:
...     device.load("build/model")
...     scores = device(image)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celosia.generation import generate
    from celosia.host import Device
    from celosia.toolchain import build
    from celosia_sim.simulate import simulate

__all__ = ["Device", "build", "generate", "simulate"]


def __getattr__(name: str) -> Any:
    # Imported on first use: simulation needs packages that generation does not.
    if name == "generate":
        from functools import partial, update_wrapper

        from celosia.generation import generate
        from celosia_sim.reference import run

        return update_wrapper(partial(generate, reference=run), generate)
    if name == "build":
        from celosia.toolchain import build

        return build
    if name == "Device":
        from celosia.host import Device

        return Device
    if name == "simulate":
        try:
            from celosia_sim.simulate import simulate
        except ModuleNotFoundError as error:
            from celosia.errors import ToolError

            raise ToolError(
                f"simulation needs the package {error.name}, which is not installed: "
                "pip install 'celosia[sim]' installs it"
            ) from None
        return simulate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
