import json
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from demo.job import DemoError, Progress, lay_out, read_progress, train
from topicdock.corpus import RECORDIO, MediaType, read_counts, read_vocabulary

COUNTS = csr_matrix(np.arange(40, dtype=np.float32).reshape(10, 4))


def test_a_job_is_laid_out_as_sagemaker_does(tmp_path: Path) -> None:
    layout = lay_out(tmp_path, COUNTS, COUNTS[:3], ("a", "b", "c", "d"), num_topics=2, shards=3)
    assert json.loads(layout.hyperparameters.read_text()) == {"num_topics": "2", "feature_dim": "4"}
    channels = json.loads(layout.input_data_config.read_text())
    assert sorted(channels) == ["auxiliary", "train", "validation"]
    assert len(list(layout.channel("train").iterdir())) == 3
    for name, counts in (("train", COUNTS), ("validation", COUNTS[:3])):
        written = read_counts(layout.channel(name), MediaType(RECORDIO), 4)
        np.testing.assert_array_equal(written.toarray(), counts.toarray())
    assert read_vocabulary(layout.channel("auxiliary") / "vocab.txt", 4) == ("a", "b", "c", "d")


def test_progress_is_read_from_the_log() -> None:
    prefix = "[06/08/2021 20:16:02 INFO 140] "
    log = [
        "Docker entrypoint called with argument(s): train\n",
        prefix + "#quality_metric: host=algo-1, epoch=3, train total_loss <loss>=7.5\n",
        prefix + "#validation_score (3): 7.25\n",
        prefix + "#progress_metric: host=algo-1, completed 6.0 % of epochs\n",
    ]
    assert list(read_progress(iter(log))) == [Progress(6.0, 3, 7.5, 7.25)]


def test_a_failed_job_is_explained_by_its_failure_file(tmp_path: Path) -> None:
    layout = lay_out(tmp_path, COUNTS, COUNTS[:3], None, num_topics=1)  # fewer than allowed
    with pytest.raises(DemoError, match=r"ended with exit code 1. .*num_topics"):
        train(layout, tmp_path / "train.log", lambda progress: None)
    assert "num_topics" in (tmp_path / "train.log").read_text()
