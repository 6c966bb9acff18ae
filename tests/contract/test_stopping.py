"""When a request to stop is heard, and when it waits."""

from __future__ import annotations

import os
import signal

import pytest

from topicdock.contract.stopping import Stopped, StopRequest


def ask() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_request_is_raised_where_the_program_stands() -> None:
    stop = StopRequest()
    with stop.listening(), pytest.raises(Stopped):
        ask()
    assert stop()
    assert stop.raised


def test_a_request_that_is_held_is_raised_after() -> None:
    stop, heard = StopRequest(), []

    def ask_within() -> None:
        with stop.held():
            ask()
            heard.append((stop(), stop.raised))
        heard.append((False, False))  # past the block

    with stop.listening(), pytest.raises(Stopped):
        ask_within()
    assert heard == [(True, False)]
    assert stop.raised


def test_without_a_request_nothing_is_raised_and_the_next_one_is() -> None:
    stop = StopRequest()
    with stop.listening(), stop.held():
        pass
    with stop.listening(), pytest.raises(Stopped):
        ask()


def test_a_request_is_but_noted_once_that_is_asked_for() -> None:
    stop = StopRequest()
    stop.defer()
    with stop.listening():
        ask()
        with stop.held():
            ask()
    assert stop()
    assert not stop.raised


def test_an_error_within_is_not_hidden_by_a_request() -> None:
    stop = StopRequest()

    def fail_within() -> None:
        with stop.held():
            ask()
            raise ImportError

    with stop.listening(), pytest.raises(ImportError):
        fail_within()
    assert stop()
