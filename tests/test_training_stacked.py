"""Lanes are moved alike on a CPU, by NumPy, and on an accelerator, by programs of JAX."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from objectives.training.stacked import DeviceMovements, HostMovements, Movements, Stacked

SHAPES = ((), (3,), (2, 3))


def stacked(size: int, first: int = 0) -> Stacked:
    """Return an array of each shape, of numbers that occur once."""
    arrays = [np.arange(first, first + size * int(np.prod(shape))) for shape in SHAPES]
    shaped = zip(arrays, SHAPES, strict=True)
    return [jax.device_put(each.reshape(size, *shape).astype("f4")) for each, shape in shaped]


def check(found: Stacked, expected: Stacked) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("movements", [HostMovements(), DeviceMovements()])
@pytest.mark.parametrize("size", [1, 4])
def test_lanes_are_put_picked_taken_and_kept(movements: Movements, size: int) -> None:
    before = [np.array(each) for each in stacked(size)]
    last = size - 1
    for array, picked in zip(before, movements.pick(stacked(size), last), strict=True):
        np.testing.assert_array_equal(picked, array[last])
        assert (picked.dtype, picked.shape) == (array.dtype, array[last].shape)
    rows = np.resize(np.arange(size), 2 * size)[::-1].astype(np.int32)
    check(movements.take(stacked(size), rows), [each[rows] for each in before])
    states = [[np.asarray(array[0]) + lane for array in before] for lane in {0, last}]
    put = movements.put(stacked(size), sorted({0, last}), states)
    for lane, state in zip(sorted({0, last}), states, strict=True):
        check(movements.pick(put, lane), state)
    check([each[1:last] for each in put], [each[1:last] for each in before])
    chosen = np.arange(size) == last
    kept = movements.keep(stacked(size), stacked(size, first=100), chosen)
    check([each[:last] for each in kept], [each[:last] for each in before])
    check([each[last:] for each in kept], [each[last:] for each in stacked(size, first=100)])


def test_what_was_read_or_moved_stays_while_a_program_writes_in_place() -> None:
    movements = HostMovements()
    write = jax.jit(lambda arrays: [each + 1 for each in arrays], donate_argnums=0)
    given = [np.arange(4096.0, dtype="f4").reshape(2, 2048)]
    state = movements.take(given, np.arange(2))
    picked = movements.pick(state, 0)
    kept = movements.keep(movements.take(given, np.arange(2)), state, np.array([True, False]))
    after = write(write(state))
    np.testing.assert_array_equal(np.asarray(after[0]), given[0] + 2)
    check(picked, [given[0][0]])
    check(kept, given)
