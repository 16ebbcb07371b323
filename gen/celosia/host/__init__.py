# SPDX-License-Identifier: BSD-2-Clause
"""The host of an accelerator: loads a model through a serial port or SPI, and runs it."""

from celosia.host.device import Device, LastRun, LayerRun
from celosia.host.errors import (
    DamagedLinkError,
    DeviceError,
    IncompatibleError,
    NoAnswerError,
    PortError,
    RequestError,
    RunError,
    SelfTestError,
    StateLostError,
)
from celosia.host.self_test import SelfTestRun

__all__ = [
    "DamagedLinkError",
    "Device",
    "DeviceError",
    "IncompatibleError",
    "LastRun",
    "LayerRun",
    "NoAnswerError",
    "PortError",
    "RequestError",
    "RunError",
    "SelfTestError",
    "SelfTestRun",
    "StateLostError",
]
