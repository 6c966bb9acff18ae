import numpy as np
import pytest
from scipy.sparse import csr_matrix

from demo import show
from tests.demo.models import make_model


@pytest.mark.parametrize(
    ("share", "bar"), [(0.0, "    "), (0.5, "██  "), (1.0, "████"), (1 / 32, "▏   "), (2.0, "████"), (-1.0, "    ")]
)
def test_a_bar_is_exact_to_an_eighth_of_a_column_and_as_wide_as_asked(share: float, bar: str) -> None:
    assert show.draw_bar(share, 4) == bar


def test_a_picture_has_two_columns_a_pixel_and_the_largest_weight_is_full() -> None:
    assert show.draw_picture(np.array([4.0, 0.0, 1.0, 2.0]), side=2) == ["██  ", "░░▒▒"]


def test_a_picture_of_nothing_is_blank() -> None:
    assert show.draw_picture(np.zeros(4), side=2) == ["    ", "    "]


def test_a_frame_surrounds_its_picture() -> None:
    assert show.frame(["ab", "cd"]) == ["┌──┐", "│ab│", "│cd│", "└──┘"]


def test_topics_are_listed_from_the_most_common_within_the_width() -> None:
    model = make_model()
    lines = show.list_topics(model, csr_matrix(np.eye(4, dtype=np.float32)), np.array([[0.25, 0.75]]))
    assert lines[1].split()[:2] == ["1", "75.0%"]
    assert lines[2].split()[:2] == ["0", "25.0%"]
    assert lines[1].endswith("fish sea anchor boat")
    assert max(map(len, lines)) <= show.WIDTH


def test_a_document_is_described_by_its_largest_topics() -> None:
    lines = show.describe_document(make_model(), "sea.boats", "About boats.", np.array([0.96, 0.04]))
    assert lines[:2] == ["sea.boats", "  “About boats.”"]
    assert len(lines) == 3  # a topic of 4 % is not worth a line
    assert lines[2].split()[0] == "96%"
    assert lines[2].endswith("0  anchor · boat · fish")


def test_long_headlines_are_cut() -> None:
    lines = show.describe_document(make_model(), "sea", "boat " * 50, np.array([0.5, 0.5]))
    assert max(map(len, lines)) <= show.WIDTH
    assert lines[1].endswith("…”")


def test_correlations_are_numbered_from_one() -> None:
    assert show.show_correlations(np.array([[1.0, -0.5], [0.25, 1.0]])) == [
        "known \\ found      1     2",
        "            1   1.00 -0.50",
        "            2   0.25  1.00",
    ]


def test_long_text_loses_its_middle() -> None:
    assert show.abbreviate("short", 10) == "short"
    assert show.abbreviate("0123456789" * 3, 12) == "012345 … 789"
