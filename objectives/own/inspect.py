"""Look at what a user's `build(trial)` builds, before a study is made of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras

from objectives.data.datasets import Dataset
from objectives.errors import SettingError, unknown_name
from objectives.own.build_trial import BuildTrial
from objectives.own.builder import Builder, call
from objectives.own.built import check_built, check_schedule, metric_names
from objectives.own.find_space import MAX_SECONDS, find_space
from objectives.own.hyperparameters import OwnHyperparameters
from objectives.own.stream_steps import stream_steps
from objectives.own.tuner_fit import TunerFit

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.Conv3D, keras.layers.DepthwiseConv2D,
                 keras.layers.SeparableConv2D)  # fmt: skip
"""Those that TensorFlow trains several times as fast as JAX on a CPU. Those over one dimension JAX
trains faster: tests/benchmarks/README.md has both, under `public_scripts`."""


@dataclass(frozen=True)
class Inspected:
    """What a function builds.

    Attributes:
        space: The lines of `[space]` that were found; empty where settings were given.
        metrics: The metrics that training reports.
        overridden: Parameters whose values the study gives other bounds than the function does.
        n_builds: How often the function was called.
        convolves_pictures: Whether there is a convolution over two or three dimensions.
        training: Numbers of training that the code itself gives, None for those that vary.
        settings: Settings that it was called with, or could be.
        variants: Parameter -> what each of its levels sets; of a space that was found.
    """

    space: Mapping[str, Any]
    metrics: Sequence[str]
    overridden: Sequence[str]
    n_builds: int
    convolves_pictures: bool
    training: Mapping[str, int | None]
    settings: Sequence[Mapping[str, Any]]
    variants: Mapping[str, Sequence[Mapping[str, Any]]]


def inspect(
    function: Callable[[BuildTrial], Any],
    data: Dataset,
    fixed: Mapping[str, Any],
    settings: Sequence[Mapping[str, Any]],
    lines: Mapping[str, Any],
) -> Inspected:
    """Call a function in many settings, and try one of its networks on a few examples.

    It happens in a thread of its own, so that what is built later has Keras's first names.

    Args:
        function: The user's function.
        data: What its networks will be trained on.
        fixed: The parameters that no trial changes.
        settings: Settings that a study can have, each with `fixed`; none to find its space.
        lines: The lines of `[space]` that these follow.

    Raises:
        SettingError: The function returns no compiled network, or one that does not fit the data;
            or it asks for parameters that are not there, or in no order that a space can have.
        CodeError: The function raises an exception.
    """

    def look() -> Inspected:
        if isinstance(function, TunerFit) and data.streams is not None:
            raise SettingError(
                "Expected arrays for a HyperModel with a fit of its own. Received: data that come "
                "batch by batch. Let its fit make batches of arrays."
            )
        asks = function.probing(data) if isinstance(function, TunerFit) else function
        builder = Builder(asks)
        found: Mapping[str, Any] = {}
        tried, variants = settings, {}
        if settings:
            n_builds, first = _build_all(builder, settings), dict(settings[0])
        else:
            space = find_space(partial(call, asks), check_built, fixed)
            found, n_builds = space.lines(), space.n_builds
            first = {**space.first(), **fixed}
            tried = [first]
            variants = {n: [{n: v} for v in p.levels()] for n, p in space.parameters.items()}
            _check_asked(fixed, {*space.parameters, *space.fixed})
        network = builder(first)
        known = {n: value for n, value in first.items() if n in OwnHyperparameters.model_fields}
        check_schedule(network, OwnHyperparameters(**known))
        own = {n: value for n, value in known.items() if n not in builder.asked}
        stream_steps(OwnHyperparameters(**own), data.streams)
        metrics, training = _training(function, network, data, first)
        convolves_pictures = any(isinstance(layer, _CONVOLUTIONS) for layer in _layers(network))
        overridden = builder.overridden(lines)
        return Inspected(
            found, metrics, overridden, n_builds, convolves_pictures, training, tried, variants
        )

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(look).result()


def _training(
    function: Callable[[BuildTrial], Any],
    network: keras.Model,
    data: Dataset,
    setting: Mapping[str, Any],
) -> tuple[list[str], Mapping[str, int | None]]:
    """Return the metrics that training reports, and its numbers that the code gives."""
    if not isinstance(function, TunerFit):
        return metric_names(network, data.train, data.validation), {}
    metrics: list[str] = []
    Builder(function.trying(data, metrics))(setting)
    return metrics, function.training()


def _build_all(builder: Builder, settings: Sequence[Mapping[str, Any]]) -> int:
    """Build the networks of as many settings as time allows; return their number."""
    deadline = time.monotonic() + MAX_SECONDS
    names: set[str] = set()
    for n, setting in enumerate(settings, start=1):
        builder(setting)
        names |= setting.keys()
        if time.monotonic() > deadline:
            return n  # what the others ask for shows when they are trained
    _check_asked(names, builder.asked.keys())
    return len(settings)


def _check_asked(names: Iterable[str], asked: Collection[str]) -> None:
    """Check that the function asks for what training does not read."""
    for name in names:
        if name not in asked and name not in OwnHyperparameters.model_fields:
            raise unknown_name("a parameter that the function asks for", name, asked)


def _layers(layer: Any) -> Iterator[Any]:
    """Yield a layer, and all layers within it."""
    yield layer
    for inner in getattr(layer, "layers", ()):
        yield from _layers(inner)
