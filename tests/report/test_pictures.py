"""The pictures are PNG files of what the page shows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from matplotlib.image import imread

from tests.report.test_page import nasty_model
from topicdock.errors import CustomerError
from topicdock.report import summarize
from topicdock.report.pictures import draw_pictures

pytestmark = pytest.mark.filterwarnings("ignore:Glyph .* missing from font")


def test_map_topics_and_training_are_drawn(tmp_path: Path) -> None:
    paths = draw_pictures(summarize(nasty_model()), tmp_path / "png")
    assert [path.name for path in paths] == ["map.png", "topics.png", "training.png"]
    for path in paths:
        picture = imread(path)
        assert min(picture.shape[:2]) > 300
        assert picture.std() > 0.05  # something is drawn


def test_without_matplotlib_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(CustomerError, match="pip install matplotlib"):
        draw_pictures(summarize(nasty_model()), tmp_path)
