"""The points that wait from the start of a study: its known settings, then its design.

A larger budget extends the list and changes nothing at its beginning, so that a study can be
continued with more trials.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from storage import Point
from studies.definition.study import StudyDefinition
from studies.designs.added_seeds import AddedSeeds
from studies.designs.grid import grid
from studies.designs.one_factor import one_factor_at_a_time
from studies.designs.orthogonal import orthogonal
from studies.designs.random import random_points
from studies.space.factor import Scalar
from studies.space.parse_space import SEED
from studies.space.space import each_once


def initial_points(definition: StudyDefinition, added: Sequence[AddedSeeds] = ()) -> list[Point]:
    """Return the points to queue when the study is created, replicates next to each other.

    An adaptive sampler has no design, so that only the known settings are queued.

    Args:
        definition: The study.
        added: Of a study of known settings alone: the seeds that these have got since, in order.
    """
    search = definition.search
    n = search.replicates // search.n_seeds  # trials of a point
    if definition.suggests_all:
        known = list(each_once(search.enqueue))
        repeated = [(setting, 0) for setting in known]
    else:
        known = list(each_once(_known_settings(definition)))
        repeated = list(_with_repeats(known, _design(definition)))
    points = [
        _point(definition, setting, search.seed + repeat * n + replicate)
        for setting, repeat in repeated
        for replicate in range(n)
    ]
    points += [
        _point(definition, known[setting], search.seed + replicate)
        for each in added
        for setting in each.settings
        for replicate in range(each.first, each.first + each.n)
    ]
    return points[: search.n_trials]


def _point(definition: StudyDefinition, setting: dict[str, Scalar], seed: int) -> Point:
    if definition.suggests_all:
        return Point({}, {}, {SEED: seed}, fixed_params=setting)
    space = definition.factors
    own_seed = space.resolve(setting).get(SEED, seed)
    return Point(setting, space.distributions(setting), {SEED: own_seed})


def _with_repeats(
    known: Iterable[dict[str, Scalar]], design: Iterable[dict[str, Scalar]]
) -> Iterator[tuple[dict[str, Scalar], int]]:
    """Yield each point with how often it came before; a known one is not repeated by the design.

    An orthogonal array may have a point more than once: another seed makes it worth its training.
    """
    seen = Counter[tuple[tuple[str, Scalar], ...]]()
    known_keys = set()
    for point in known:
        known_keys.add(tuple(sorted(point.items())))
        yield point, 0
    for point in design:
        key = tuple(sorted(point.items()))
        if seen[key] or key not in known_keys:
            yield point, seen[key]
        seen[key] += 1


def _known_settings(definition: StudyDefinition) -> list[dict[str, Scalar]]:
    space = definition.factors
    settings = [
        {
            name: space.factors[name].choice_of(value, f"search.enqueue[{number}].{name}")
            for name, value in setting.items()
        }
        for number, setting in enumerate(definition.search.enqueue)
    ]
    # The points of a design have no inactive factors. Without the same here, the design would
    # contain a known setting a second time.
    return [space.at(setting) for setting in settings] if definition.search.design else settings


def _design(definition: StudyDefinition) -> list[dict[str, Scalar]]:
    space, search = definition.factors, definition.search
    match search.design:
        case "grid":
            return grid(space)
        case "one-factor-at-a-time":
            return one_factor_at_a_time(space, search.default)
        case "orthogonal":
            return list(orthogonal(space, search.dummy_levels).points)
        case "random":
            return random_points(space, search.n_trials or 0, search.seed)
    return []  # a sampler chooses them, or the known settings are all
