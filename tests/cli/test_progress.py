"""Where a person waits: a bar on a terminal, now and then a line in a log."""

from __future__ import annotations

import pytest

from topicdock.cli.progress import Progress, say_seconds


def test_a_log_gets_a_line_now_and_then_with_the_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter(range(0, 1000, 6))
    monkeypatch.setattr("topicdock.cli.progress.time.monotonic", lambda: float(next(clock)))
    with Progress() as shown:
        for done in range(0, 101, 20):
            shown.show("counting", done, 100, note="loss 7.0")
    lines = capsys.readouterr().err.splitlines()
    assert 1 <= len(lines) <= 3
    assert lines[0].startswith("counting: ")
    assert lines[0].endswith(" left, loss 7.0")
    assert "\r" not in "".join(lines)


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with Progress() as shown:
        for done in (0, 50, 100):
            shown.show("training", done, 100, unit="%", note="loss 7.0")
    drawn = capsys.readouterr().err
    assert "training" in drawn
    assert "\r" in drawn


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (89, "89 s"), (95, "2 min"), (7000, "117 min"), (7800, "2 h 10 min")]
)
def test_times_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert say_seconds(seconds) == said
