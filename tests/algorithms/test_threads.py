"""How many threads torch has, inside and outside of what keeps it on one core."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial

import pytest
import torch

from topicdock.algorithms.threads import one_thread, side_by_side, threads_for

LARGE, SMALL = 1 << 22, 1 << 10


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def _threads_for(numbers: int) -> int:
    with threads_for(numbers):
        return torch.get_num_threads()


def test_only_a_large_operation_takes_back_the_threads_that_were_given_up() -> None:
    with one_thread():
        assert [_threads_for(SMALL), _threads_for(LARGE), torch.get_num_threads()] == [1, 2, 1]
        with threads_for(LARGE):
            assert [_threads_for(SMALL), _threads_for(LARGE), torch.get_num_threads()] == [2, 2, 2]
    assert torch.get_num_threads() == 2


def test_within_itself_one_thread_changes_nothing() -> None:
    with one_thread(), one_thread():
        assert [_threads_for(SMALL), _threads_for(LARGE)] == [1, 2]
    assert torch.get_num_threads() == 2


def test_where_none_were_given_up_nothing_changes() -> None:
    assert [_threads_for(SMALL), _threads_for(LARGE)] == [2, 2]
    torch.set_num_threads(1)
    assert _threads_for(LARGE) == 1


def test_threads_come_back_after_an_error() -> None:
    with pytest.raises(ValueError, match="stop"), one_thread(), threads_for(LARGE):
        raise ValueError("stop")
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("numbers", [SMALL, LARGE])
def test_tasks_are_all_done_and_on_several_cores_if_they_are_large(numbers: int) -> None:
    meeting = threading.Barrier(2, timeout=60)
    done: list[int] = []
    threads: set[int] = set()

    def task(number: int) -> None:
        if number < 2 and numbers == LARGE:
            meeting.wait()  # which two tasks one after the other would not get past
        threads.add(threading.get_ident())
        assert (torch.get_num_threads(), _threads_for(numbers)) == (1, 1)  # the other core is another task's
        done.append(number)

    for _ in range(2):
        with one_thread():
            side_by_side([partial(task, number) for number in range(9)], numbers)
    assert sorted(done) == sorted([*range(9)] * 2)
    assert len(threads) == (2 if numbers == LARGE else 1)
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("failing", range(3))
def test_a_task_that_fails_is_heard_of(failing: int) -> None:
    meeting = threading.Barrier(2, timeout=60)

    def task(number: int) -> None:
        if number < 2:
            meeting.wait()
        if number == failing:
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"), one_thread():
        side_by_side([partial(task, number) for number in range(3)], LARGE)


def test_where_no_threads_were_given_up_tasks_are_done_one_after_the_other() -> None:
    done: list[int] = []
    side_by_side([partial(done.append, number) for number in range(5)], LARGE)
    assert done == [0, 1, 2, 3, 4]
