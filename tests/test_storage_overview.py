"""The progress of studies: counts by state, rate, epochs, and attributes of many studies."""

from __future__ import annotations

from optuna.trial import TrialState
from queues import new_study, run_out
from sqlalchemy import event

from storage import (
    Budget,
    TrialStorage,
    claim,
    create_storage,
    enqueue,
    latest_failures,
    overview,
    requeue,
    study_attributes,
    trial_id,
)
from storage.study_attributes import WORKED_KEY, write_study_attribute


def test_an_empty_study_has_nothing_to_tell(storage: TrialStorage) -> None:
    stand = overview(storage, new_study(storage, n=0))
    assert set(stand.counts) == set(TrialState)
    assert sum(stand.counts.values()) == stand.retried == stand.ended == 0
    assert (stand.per_minute, stand.epochs) == (None, {})


def test_trials_are_counted_by_state_and_their_retries_apart(storage: TrialStorage) -> None:
    new_study(storage, n=5)  # another study is not counted
    study_id = new_study(storage, n=9)
    complete, pruned, failed, lost, _, _ = claim(storage, study_id, 6)
    storage.set_trial_state_values(trial_id(complete), TrialState.COMPLETE, [1.0])
    storage.set_trial_state_values(trial_id(pruned), TrialState.PRUNED)
    storage.set_trial_state_values(trial_id(failed), TrialState.FAIL)
    requeue(storage, lost, "lost")
    stand = overview(storage, study_id)
    assert {state.name: n for state, n in stand.counts.items()} == {
        "RUNNING": 2,
        "COMPLETE": 1,
        "PRUNED": 1,
        "FAIL": 2,
        "WAITING": 4,
    }
    assert (stand.retried, stand.ended) == (1, 3)
    assert stand.lineages_by_state[TrialState.FAIL] == 1


def test_what_is_queued_again_meanwhile_is_not_counted_in_part(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=2)
    lost, _ = claim(storage, study_id, 2)
    others = create_storage(storage.engine.url.render_as_string(hide_password=False))
    since: list[None] = []

    def requeue_once(*_: object) -> None:
        if not since:
            since.append(None)
            requeue(others, lost, "lost")

    event.listen(storage.engine, "after_cursor_execute", requeue_once)
    stand = overview(storage, study_id)
    event.remove(storage.engine, "after_cursor_execute", requeue_once)
    others.engine.dispose()
    assert since
    assert stand.lineages == 2
    assert stand.retried == stand.counts[TrialState.FAIL], "it was told: 1 fail, -1 attempts"


def test_what_waits_after_the_timeout_has_not_ended(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=4)
    requeue(storage, claim(storage, study_id)[0], "lost")
    requeue(storage, claim(storage, study_id)[0], "lost")
    enqueue(storage, study_id, [], Budget(None, timeout=1, adaptive=False))
    run_out(storage, study_id)
    assert claim(storage, study_id) == []
    stand = overview(storage, study_id)
    assert (stand.counts[TrialState.FAIL], stand.counts[TrialState.WAITING]) == (2, 4)
    assert (stand.retried, stand.ended) == (2, 0)


def test_a_rate_is_told_once_two_trials_have_ended(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=3)
    rates = []
    for trial in claim(storage, study_id, 3):
        storage.set_trial_state_values(trial_id(trial), TrialState.COMPLETE, [1.0])
        rates.append(overview(storage, study_id).per_minute)
    assert rates[0] is None
    assert all(rate is not None and rate > 0 for rate in rates[1:])


def test_what_was_given_up_and_queued_again_has_no_rate(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=2)
    for trial in claim(storage, study_id, 2):
        requeue(storage, trial, "its worker was told to stop")
    assert overview(storage, study_id).per_minute is None, "it was 642.9 trials/min, of none"


def test_the_rate_is_of_trials_a_minute(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=3)
    for trial in claim(storage, study_id, 3):
        storage.set_trial_state_values(trial_id(trial), TrialState.COMPLETE, [1.0])
    with storage.transaction() as connection:  # on a clock ahead of ours, 30 s apart
        for number, time in enumerate(("12:00:00", "12:00:30", "12:01:00")):
            connection.exec_driver_sql(
                f"UPDATE trials SET datetime_complete = '2999-01-01 {time}' WHERE number = {number}"
            )
    assert overview(storage, study_id).per_minute == 2


def test_the_rate_is_kept_once_nothing_runs_and_trials_of_a_pack_do_not_shake_it(
    storage: TrialStorage,
) -> None:
    study_id = new_study(storage, n=101)
    trials = claim(storage, study_id, 101)
    for trial in trials[:100]:
        storage.set_trial_state_values(trial_id(trial), TrialState.COMPLETE, [1.0])
    with storage.transaction() as connection:  # years ago; the last 50 trials within a second
        for number in range(100):
            time = f"12:{min(number, 50):02}:00"
            connection.exec_driver_sql(
                f"UPDATE trials SET datetime_complete = '2020-01-01 {time}' WHERE number = {number}"
            )
    running = overview(storage, study_id).per_minute
    assert running is not None
    assert running < 1e-3, "up to now, while one still runs"
    storage.set_trial_state_values(trial_id(trials[100]), TrialState.FAIL)
    with storage.transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE trials SET datetime_complete = '2020-01-01 12:59:00' WHERE number = 100"
        )
    stopped = overview(storage, study_id).per_minute
    assert stopped == 49 / 9, "51 to 100 are the latter half; they ended from 12:50 to 12:59"


def test_a_pause_does_not_slow_the_rate(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=20)
    for trial in claim(storage, study_id, 20):
        storage.set_trial_state_values(trial_id(trial), TrialState.COMPLETE, [1.0])
    with storage.transaction() as connection:  # ten minutes of work on each of two days
        for number in range(20):
            time = f"2020-01-0{1 + number // 10} 12:0{number % 10}:00"
            connection.exec_driver_sql(
                f"UPDATE trials SET datetime_complete = '{time}' WHERE number = {number}"
            )
        worked = {"seconds": 1200.0, "until": "2020-01-02T12:10:00+00:00"}
        write_study_attribute(connection, study_id, WORKED_KEY, worked)
    rate = overview(storage, study_id).per_minute
    assert rate is not None
    assert 0.9 < rate < 1


def test_a_running_trial_is_told_with_its_last_epoch(
    storage: TrialStorage, storage_url: str
) -> None:
    study_id = new_study(storage, n=3)
    ended, early, late = claim(storage, study_id, 3)
    for trial, epochs in ((ended, 5), (late, 3)):
        for epoch in range(1, epochs + 1):
            storage.set_trial_intermediate_value(trial_id(trial), epoch, 0.5)
    storage.set_trial_state_values(trial_id(ended), TrialState.PRUNED)
    reader = create_storage(storage_url, writes=False)
    assert overview(reader, study_id).epochs == {early.number: 0, late.number: 3}


def test_the_latest_failures_are_told_with_their_reasons(storage: TrialStorage) -> None:
    new_study(storage, n=1)
    study_id = new_study(storage, n=6)
    for trial in claim(storage, study_id, 6):
        if trial.number != 3:
            reason = None if trial.number == 4 else f"reason {trial.number}"
            storage.set_trial_user_attr(trial_id(trial), "fail_reason", reason)
        storage.set_trial_user_attr(trial_id(trial), "epochs", 1)
        ended = TrialState.PRUNED if trial.number == 5 else TrialState.FAIL
        storage.set_trial_state_values(trial_id(trial), ended)
    assert latest_failures(storage, study_id, 3) == {2: "reason 2", 3: None, 4: None}
    assert list(latest_failures(storage, study_id, 99)) == [0, 1, 2, 3, 4]


def test_a_failure_that_was_queued_again_is_none_of_the_latest(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=2)
    given_up, failed = claim(storage, study_id, 2)
    requeue(storage, given_up, "its worker was told to stop")
    storage.set_trial_state_values(trial_id(failed), TrialState.FAIL)
    assert latest_failures(storage, study_id, 5) == {failed.number: None}


def test_an_attribute_is_read_of_the_studies_that_have_another(storage: TrialStorage) -> None:
    for name, attributes in (
        ("without", {"made": 1}),
        ("whole", {"made": 2, "definition": {}}),
        ("other", {"definition": {}}),
    ):
        study_id = new_study(storage, name=name)
        for key, value in attributes.items():
            storage.set_study_user_attr(study_id, key, value)
    assert study_attributes(storage, "made", having="definition") == {"whole": 2}
