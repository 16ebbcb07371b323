# SPDX-License-Identifier: BSD-2-Clause
"""A board with an accelerator, called like a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from celosia.compiler.image import Image
from celosia.errors import InputError
from celosia.graph.ir import Array
from celosia.tensors import counters_bytes, from_bytes, layer_cycles, span, to_bytes
from celosia_hw.link.protocol import Result

from .accelerator import RemoteAccelerator, State
from .errors import DeviceError, RequestError, StateLostError
from .link import Link
from .model_files import ModelFiles, load_model_files
from .operations import run_operations
from .self_test import Compared, SelfTestRun, run_self_test
from .signature import Samples, Signature, TensorInfo
from .transport import default_timeout, open_transport

#: Called with the stage, what is done of it, how much there is to do, and what is at work.
Progress = Callable[[str, float, float | None, str], None]
T = TypeVar("T")

#: How often everything is written again after the device was reset, until that is an error.
_RECOVERIES = 3


@dataclass(frozen=True)
class LayerRun:
    """Clock cycles of a layer, counted by the accelerator."""

    name: str
    op: str
    cycles: int


@dataclass(frozen=True)
class LastRun:
    """What the accelerator counted in a run. ``milliseconds`` is None if the clock is unknown,
    ``status`` the register STATUS at the end."""

    cycles: int
    milliseconds: float | None
    layers: tuple[LayerRun, ...]
    status: int


class Device:
    """An accelerator at a port, with a model once ``load`` has written one.

    >>> with celosia.Device.open("/dev/ttyUSB1") as device:
    ...     device.load("build/model")
    ...     scores = device(image)

    If the device is reset in between, all is written again, and the sample run again. No other
    program may use the port meanwhile.

    Attributes:
        last_run: figures of the last sample that was run, None before the first.
        last_self_test: figures of the last known-answer test, which the model passed; None if there
            was none since ``load``.
        labels: names of the output's elements, from the manifest of the folder; often none.
    """

    def __init__(self, link: Link, *, clock_mhz: float | None = None) -> None:
        self.last_run: LastRun | None = None
        self.last_self_test: SelfTestRun | None = None
        self.labels: tuple[str, ...] = ()
        self._accelerator = RemoteAccelerator(link)
        self._given_clock = clock_mhz
        self._files: ModelFiles | None = None
        self._signature: Signature | None = None
        #: How the accelerator was left, with the image in it; None if it has to be written.
        self._rest: State | None = None
        self._tests = True
        self._recoveries = 0
        self._accelerator.identify()

    @classmethod
    def open(
        cls,
        port: str,
        *,
        baud_rate: int = 1_000_000,
        timeout: float | None = None,
        attempts: int = 8,
        clock_mhz: float | None = None,
    ) -> Device:
        """Opens a port and identifies the accelerator there.

        Args:
            port: "/dev/ttyUSB1", "COM3", a pyserial URL ("socket://host:port"), the path of a
                pseudo-terminal, or "spi:BUS.DEVICE".
            baud_rate: bits a second, of SPI as well: at most an eighth of the accelerator's clock.
            timeout: seconds to wait for an answer, beside the time that its bytes take: by default
                half a second, and a minute for a pseudo-terminal, as a simulation may serve it.
            attempts: how often a request is sent before it is given up.
            clock_mhz: the accelerator's clock, if it is not that of the folder that is loaded.

        Raises:
            DeviceError: the port cannot be opened, nothing answers, or what answers is no
                accelerator of this version.
            ToolError: the package that opens the port is not installed.
        """
        timeout = default_timeout(port) if timeout is None else timeout
        transport = open_transport(port, baud_rate, timeout)
        link = Link(transport, timeout=timeout, attempts=attempts)
        try:
            return cls(link, clock_mhz=clock_mhz)
        except BaseException:
            link.close()
            raise

    def close(self) -> None:
        """Gives the port free. The accelerator keeps its model."""
        self._accelerator.link.close()

    def __enter__(self) -> Device:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def image(self) -> Image:
        """The image that was loaded."""
        return self._loaded()[0].image

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """What the model takes, in its order."""
        return self._loaded()[1].inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """What the model gives, in its order."""
        return self._loaded()[1].outputs

    @property
    def clock_mhz(self) -> float | None:
        """The accelerator's clock, None if nothing tells it."""
        return self._given_clock or (self._files.clock_mhz if self._files else None)

    @property
    def retries(self) -> int:
        """How many requests had to be repeated since the port was opened."""
        return self._accelerator.link.retries

    @property
    def recoveries(self) -> int:
        """How often all had to be written again because the device was reset."""
        return self._recoveries

    def load(
        self, path: Path | str, progress: Progress | None = None, *, self_test: bool = True
    ) -> None:
        """Writes a model into the accelerator's memories, and runs its known-answer test.

        What is for the memory behind the external port lies in the board's flash, where 'celosia
        program' writes it: it is left out here, but the device must have booted this very image
        from there.

        The test compares what each layer makes of a known input with what the integer reference
        says, in one inference. An image without known answers is not tested.

        Args:
            path: ``model.image``, or the folder that has it. A folder also tells clock and labels.
            progress: called with the stages "load" and "test".
            self_test: whether to run the test, now and whenever all is written again.

        Raises:
            ImageError: the image is missing, damaged or of another version; nothing was written.
            IncompatibleError: it is for another accelerator, or the flash does not hold it;
                nothing was written.
            SelfTestError: the device computes something else; the model cannot be run.
            DeviceError: the device or the line to it failed.
        """
        files = load_model_files(path)
        signature = Signature(files.image)
        self._accelerator.check(files.image)
        self._files, self._signature = files, signature
        self._rest, self.last_run, self.labels = None, None, files.labels
        self._tests, self.last_self_test = self_test, None
        self._steadily(lambda rest: (None, rest), progress)

    def self_test(self) -> SelfTestRun:
        """Runs the known-answer test of the loaded model, as ``load`` does.

        Raises:
            InputError: no model is loaded, or its image has no known answers.
            SelfTestError: the device computes something else. Before the next run all is written
                again, and tested if ``load`` was to.
            DeviceError: the device or the line to it failed.
        """
        if self.image.self_test is None:
            raise InputError(
                f"the image of {self.image.model} has no known answers; generate it again"
            )
        return self._steadily(self._self_test)

    def __call__(self, x: Any) -> Any:
        """Runs the model on a sample or on a batch of them.

        Args:
            x: an array of the model's input type, or of floating point numbers, which are
                quantized with the model's scale; one sample, or several behind a leading axis.
                Where the model has several inputs: a tuple in their order, or a mapping from
                their names.

        Returns:
            The output, with a leading axis if ``x`` has one; a tuple if there are several.

        Raises:
            InputError: shape or type of ``x`` is wrong; nothing was sent.
            DeviceError: the device or the line to it failed, or a run ended with an error.
        """
        samples = self.samples(x)
        results = list(self.run(samples))
        arranged = tuple(
            samples.arrange(info, list(values))
            for info, values in zip(self.outputs, zip(*results, strict=True), strict=True)
        )
        return arranged[0] if len(arranged) == 1 else arranged

    def samples(self, x: Any) -> Samples:
        """``x`` as samples of this model, for ``run``; arguments and errors as for a call."""
        return self._loaded()[1].samples(x)

    def run(self, samples: Samples) -> Iterator[tuple[Array, ...]]:
        """Runs samples one by one; yields all outputs of each, with the shapes of the model."""
        for sample in samples:
            yield self._steadily(partial(self._run, sample))

    def _loaded(self) -> tuple[ModelFiles, Signature]:
        if self._files is None or self._signature is None:
            raise InputError("no model is loaded; call load with a folder or an image first")
        return self._files, self._signature

    def _steadily(
        self, work: Callable[[State], tuple[T, State]], progress: Progress | None = None
    ) -> T:
        """Does ``work`` with the image in place, again from the beginning if that was lost.

        ``work`` is told in which state the accelerator rests, and tells it anew with its result.
        """
        accelerator = self._accelerator
        for left in reversed(range(_RECOVERIES + 1)):
            try:
                rest = self._rest or self._prepare(progress)
                # Unknown until the work is done, and for good if that fails.
                self._rest = None
                result, self._rest = work(rest)
                return result
            except DeviceError as error:
                if not left or not _is_state_lost(error):
                    raise
                self._recoveries += 1
                accelerator.identify()
        raise AssertionError  # the last turn returns or raises

    def _prepare(self, progress: Progress | None) -> State:
        """Writes the image, and has it tested unless that is not wanted."""
        tell: Progress = progress or (lambda *_: None)
        rest = self._accelerator.write_image(self.image, partial(tell, "load"))
        if self._tests and self.image.self_test is not None:
            _, rest = self._self_test(rest, partial(tell, "test"))
        return rest

    def _self_test(
        self, rest: State, compared: Compared = lambda *_: None
    ) -> tuple[SelfTestRun, State]:
        image, self.last_self_test = self.image, None
        assert image.self_test is not None
        self.last_self_test, rest = run_self_test(
            self._accelerator, image, image.self_test, self.clock_mhz, rest, compared
        )
        return self.last_self_test, rest

    def _run(self, sample: dict[int, Array], rest: State) -> tuple[tuple[Array, ...], State]:
        accelerator, image = self._accelerator, self.image
        values = dict(sample)
        run_operations([op for op in image.host if op.op == "Quantize"], values)
        inputs = [(port.address, to_bytes(port, values[port.tensor])) for port in image.inputs]
        accelerator.check_state(rest)
        for address, content in inputs:
            accelerator.write_scratch(address, content)
        accelerator.start()
        end = accelerator.wait(image, self.clock_mhz)
        for port in image.outputs:
            content = accelerator.read_scratch(port.address, span(port))
            values[port.tensor] = from_bytes(port, content)
        counters = accelerator.read_scratch(image.profile_base, counters_bytes(image))
        # What was read is of this run only if nothing has happened since.
        accelerator.check_state(end)
        run_operations(image.host, values)
        self.last_run = LastRun(
            end.cycles,
            end.cycles / (1000 * self.clock_mhz) if self.clock_mhz else None,
            _layers(image, counters, end.cycles),
            end.status,
        )
        return tuple(values[info.tensor] for info in self.outputs), end


def _is_state_lost(error: DeviceError) -> bool:
    """Whether the device is not as it was left; an idle one that says it is busy is not either."""
    if isinstance(error, RequestError):
        return error.result == Result.STATE
    return isinstance(error, StateLostError)


def _layers(image: Image, counters: bytes, total: int) -> tuple[LayerRun, ...]:
    """Empty if the accelerator does not count."""
    cycles = layer_cycles(image, counters)
    if min(cycles, default=0) < 0 or sum(cycles) > total:
        return ()
    return tuple(
        LayerRun(layer.name, layer.op, count)
        for layer, count in zip(image.layers, cycles, strict=True)
    )
