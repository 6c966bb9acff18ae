"""How many threads torch has, inside and outside of what keeps it on one core."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from topicdock.algorithms.threads import one_thread, threads_for

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
