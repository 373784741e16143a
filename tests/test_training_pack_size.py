"""How many lanes are tried, by what has been measured."""

from __future__ import annotations

from objectives.training.pack_size import PackSize


def train(size: PackSize, lane_seconds: dict[int, float], *, epochs: int = 10) -> list[int]:
    """Train as many lanes as are wanted, at what a lane's step takes; return the numbers."""
    numbers = []
    for _ in range(epochs):
        lanes = size.wanted
        if lanes not in numbers:
            size.record(lanes, 10, 3.0, compiled=True)
        size.record(lanes, 10, 10 * lanes * lane_seconds[lanes], compiled=False)
        numbers.append(lanes)
    return numbers


def test_one_trains_until_that_has_taken_as_long_as_compiling_two_will() -> None:
    size = PackSize(limit=64)
    assert size.wanted == 1
    size.record(1, 10, 3.0, compiled=True)
    size.record(1, 10, 2.0, compiled=False)
    assert size.wanted == 1
    size.record(1, 10, 2.0, compiled=False)
    assert size.wanted == 2


def test_where_doubling_gains_little_one_trains_for_longer() -> None:
    size = PackSize(limit=64, doubles_after=4.0)
    size.record(1, 10, 3.0, compiled=True)
    size.record(1, 10, 11.9, compiled=False)
    assert size.wanted == 1
    size.record(1, 10, 0.1, compiled=False)
    assert size.wanted == 2


def test_a_program_that_was_on_disk_tells_nothing_of_what_the_next_one_takes() -> None:
    size = PackSize(limit=64)
    size.record(1, 10, 0.1, compiled=True)
    size.record(1, 10, 1.9, compiled=False)
    assert size.wanted == 1
    size.record(1, 10, 0.2, compiled=False)
    assert size.wanted == 2


def test_lanes_double_while_that_pays_and_the_fastest_number_stays() -> None:
    seconds = {1: 1.0, 2: 0.6, 4: 0.5, 8: 0.49, 16: 0.1}
    assert train(PackSize(limit=64), seconds) == [1, 2, 4, 8, 8, 8, 8, 8, 8, 8]
    seconds[8] = 0.7
    assert train(PackSize(limit=64), seconds) == [1, 2, 4, 8, 4, 4, 4, 4, 4, 4]


def test_a_network_that_fills_the_device_trains_alone() -> None:
    assert train(PackSize(limit=64), {1: 1.0, 2: 1.1}, epochs=4) == [1, 2, 1, 1]
    assert train(PackSize(limit=1), {1: 1.0}, epochs=3) == [1, 1, 1]


def test_epochs_of_another_length_compare_by_their_steps() -> None:
    size = PackSize(limit=2)
    size.record(1, 100, 1.0, compiled=False)
    size.record(2, 10, 0.3, compiled=False)  # a lane's step takes half as long again
    assert size.wanted == 1


def test_no_more_lanes_are_tried_than_memory_has_room_for() -> None:
    def wanted(peaks: list[int], available: int) -> int:
        size = PackSize(limit=64)
        for i, peak in enumerate(peaks):
            size.record(2**i, 1, 2.0, compiled=False, memory=(peak, available))
        return size.wanted

    # A lane takes 10; the pictures that all share take 40.
    assert wanted([50], 112) == 2
    assert wanted([50, 60], 89) == 4
    assert wanted([50, 60], 88) == 2
    assert wanted([50, 60, 80], 134) == 8
    assert wanted([50, 60, 80], 133) == 4
    assert wanted([50], 111) == 1  # as one cannot tell how much of it is the lane's
