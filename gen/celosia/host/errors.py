# SPDX-License-Identifier: BSD-2-Clause
"""What can go wrong between a host and an accelerator; each message says what to check."""

from __future__ import annotations

from celosia.errors import CelosiaError
from celosia_hw.link.protocol import Result


class DeviceError(CelosiaError):
    """Base of all errors of a device and of the line to it."""


class PortError(DeviceError):
    """The port cannot be opened, or it is gone."""


class NoAnswerError(DeviceError):
    """Nothing that makes sense comes back."""


class DamagedLinkError(DeviceError):
    """Too much of what is sent arrives damaged."""


class IncompatibleError(DeviceError):
    """What answers is no accelerator, or one of another version or configuration."""


class RequestError(DeviceError):
    """The device answered a request with ``result``, which says why it did not do it."""

    def __init__(self, what: str, result: int) -> None:
        super().__init__(
            f"the device did not {what}: {_REASONS.get(result, 'for an unknown reason')} "
            f"(result {result})"
        )
        self.result = result


_REASONS: dict[int, str] = {
    Result.COMMAND: "it does not know the command, or the register cannot be set",
    Result.LENGTH: "no words were asked for",
    Result.ADDRESS: "it does not have all of that memory",
    Result.STATE: "a run is busy",
    Result.MISMATCH: "it has another value",
}


class StateLostError(DeviceError):
    """The device is not in the state that it was left in: it was reset, or another host was at
    it. Its memories must be taken for lost."""


class RunError(DeviceError):
    """A run ended with an error, or does not end.

    ``instruction`` is the index of the one that was at work, ``layer`` the name of its layer
    ("" if it belongs to none).
    """

    def __init__(self, message: str, *, instruction: int, layer: str) -> None:
        super().__init__(message)
        self.instruction = instruction
        self.layer = layer


class SelfTestError(DeviceError):
    """The device answers a known input otherwise than the integer reference does.

    ``layer`` is the name of the first layer that differs, ``op`` its operation ("output" if only an
    output at the end of the run does), ``index`` its place among the layers, behind which are the
    outputs.
    """

    def __init__(self, message: str, *, layer: str, op: str, index: int) -> None:
        super().__init__(message)
        self.layer = layer
        self.op = op
        self.index = index
