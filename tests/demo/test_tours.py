"""``scripts/demo`` as a person runs it, but for the installation and the size."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run_demo(*arguments: str, temporary: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "demo", *arguments],
        cwd=ROOT, env={"PATH": "/usr/bin:/bin", "TMPDIR": str(temporary), "PYTHONIOENCODING": "utf-8"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_bars_are_trained_served_and_shown(tmp_path: Path) -> None:
    demo = run_demo("bars", "--documents", "300", "--keep", temporary=tmp_path)
    assert demo.returncode == 0, demo.stderr
    assert demo.stderr == ""
    assert '{ "num_topics": "5", "feature_dim": "25" }' in demo.stdout
    assert "100 % of epochs" in demo.stdout
    assert re.search(r"GET  /ping +200", demo.stdout)
    assert re.search(r"POST /invocations  200 in \d+ ms, text/csv, 30 documents", demo.stdout)
    assert demo.stdout.count("┌──────────┐") == 6 + 2 * 5
    assert re.search(r"matched topics: mean correlation 0\.\d{3}", demo.stdout)
    shown, _, closing = demo.stdout.partition("== Done")
    assert max(len(line) for line in shown.splitlines() if str(tmp_path) not in line) <= 100
    assert "container/train" in closing
    assert "container/serve" in closing
    assert len(list(tmp_path.glob("topicdock-demo-*/model/model_algo-1"))) == 1


def test_bars_have_five_or_ten_topics(tmp_path: Path) -> None:
    demo = run_demo("bars", "--topics", "7", temporary=tmp_path)
    assert demo.returncode == 2
    assert "bars have 5 or 10 topics" in demo.stderr
    assert list(tmp_path.iterdir()) == []
