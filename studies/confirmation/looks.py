"""With how many seeds settings are compared, and how often."""

from __future__ import annotations

from dataclasses import dataclass

from studies.errors import SettingError
from studies.statistics.paired import MOST_SEEDS, least_seeds
from studies.statistics.until_clear import looks_at

SEEDS = 8
N_LOOKS = 3  # of a confirmation until all is clear, where its first look can tell settings apart
FEWEST_LOOKS = 2


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a confirmation; None where it is not said.

    Attributes:
        top: How many of the best settings; 3 at most, or those of the confirmation that there is.
        seeds: How many fresh seeds each; 8, or as many as can tell the settings apart.
        until_clear: Whether settings in contention get more seeds, until it is clear which is best.
        max_seeds: How many seeds a setting has then at most; three times the first ones.
        splits: On how many new divisions of the data; the seeds are dealt over them.
        on: `test`, to compare the confirmed settings on the test part; None to confirm them.
        again: Whether it may be looked at once more.
        name: The name of the study that trains them; that of the searched one with `-confirm`.
    """

    top: int | None = None
    seeds: int | None = None
    until_clear: bool = False
    max_seeds: int | None = None
    splits: int | None = None
    on: str | None = None
    again: bool = False
    name: str | None = None


def check_on(wanted: Wanted) -> None:
    """Check what is wanted of the test part.

    Raises:
        SettingError: It is another part, or what changes the seeds stands beside it.
    """
    if wanted.on not in (None, "test"):
        raise SettingError(f"Expected on='test', or nothing. Received: on={wanted.on!r}.")
    if wanted.again and wanted.on is None:
        raise SettingError("Expected again beside on='test'. Received: again alone.")
    if wanted.on is None:
        return
    if wanted.until_clear or wanted.max_seeds is not None:
        raise SettingError(
            "Expected one look at the test part, by all settings and seeds. Received: until_clear "
            "beside on='test', which would look until it is pleased."
        )
    if wanted.splits is not None:
        raise SettingError(
            "Expected no splits beside on='test': training and validation part are one then. "
            f"Received: splits={wanted.splits}."
        )


def looks_for(top: int, wanted: Wanted) -> list[int]:
    """Return with how many seeds so many settings are compared, in order.

    Raises:
        SettingError: No two settings can be told apart with so few seeds, there are too many for an
            exact test, or there is a largest number without `until_clear`.
    """
    if not wanted.until_clear:
        if wanted.max_seeds is not None:
            raise without_until_clear(wanted.max_seeds)
        return [check_n_seeds(top, wanted.seeds, 1)]
    if top == 1:
        raise SettingError("Expected two settings or more for until_clear. Received: top=1.")
    first = check_n_seeds(top, wanted.seeds, FEWEST_LOOKS)
    most = min(3 * first, MOST_SEEDS) if wanted.max_seeds is None else wanted.max_seeds
    if not first < most <= MOST_SEEDS:
        raise SettingError(
            f"Expected max_seeds from {first + 1} to {MOST_SEEDS}, more than the seeds of the "
            f"first look. Received: max_seeds={most}."
        )
    planned = [looks_at(first, most, n) for n in (N_LOOKS, FEWEST_LOOKS)]
    return list(next(each for each in planned if least_seeds(top, looks=len(each)) <= first))


def without_until_clear(max_seeds: int) -> SettingError:
    """Return the error of a largest number of seeds that nothing is to reach."""
    return SettingError(
        f"Expected max_seeds with until_clear. Received: max_seeds={max_seeds} without. Add "
        "--until-clear."
    )


def check_n_seeds(top: int, seeds: int | None, looks: int) -> int:
    """Return how many seeds to take: as many as can tell two of the settings apart.

    Args:
        top: The number of settings.
        seeds: How many are wanted; None for 8, or more where these are too few.
        looks: How often the settings are compared.

    Raises:
        SettingError: So many seeds cannot, or are too many for an exact test.
    """
    least = least_seeds(top, looks=looks) if top > 1 else 2
    n = max(SEEDS, least) if seeds is None else seeds
    if n > MOST_SEEDS:
        raise SettingError(
            f"Expected at most {MOST_SEEDS} seeds, for an exact test. Received: seeds={n}."
        )
    if n >= least:
        return n
    if top == 1:
        raise SettingError(
            f"Expected at least 2 seeds, for a standard deviation. Received: seeds={n}."
        )
    n_pairs = top * (top - 1) // 2
    shared = f"{n_pairs} pair{'' if n_pairs == 1 else 's'}"
    shared += f" x {looks} looks" if looks > 1 else ""
    raise SettingError(
        f"Expected at least {least} seeds for {top} settings: the least p of n seeds, 2/2^n, must "
        f"reach 0.05 / ({shared}). Received: seeds={n}."
    )


def check_splits(top: int, splits: int, wanted: Wanted) -> int:
    """Return how many seeds a setting has on each of several divisions of the data.

    Args:
        top: The number of settings.
        splits: The number of divisions, over which they are compared.
        wanted: What is wanted; by default 8 seeds, or more where these cannot be dealt out.

    Raises:
        SettingError: So few divisions cannot tell two settings apart, the seeds cannot be dealt out
            evenly, or they are to be added until all is clear.
    """
    if wanted.until_clear or wanted.max_seeds is not None:
        raise SettingError("Expected splits or until_clear. Received: both.")
    least = least_seeds(top) if top > 1 else 2
    if not least <= splits <= MOST_SEEDS:
        raise SettingError(
            f"Expected from {least} to {MOST_SEEDS} splits for {top} setting"
            f"{'' if top == 1 else 's'}: each division counts once, however many seeds it has, and "
            f"the least p of n is 2/2^n. Received: splits={splits}."
        )
    seeds = -(-SEEDS // splits) * splits if wanted.seeds is None else wanted.seeds
    if seeds % splits:
        raise SettingError(
            f"Expected a multiple of splits={splits}, so that each division has as many seeds. "
            f"Received: seeds={seeds}."
        )
    return seeds // splits
