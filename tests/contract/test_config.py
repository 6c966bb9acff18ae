"""The three configuration files, with everything left out that may be left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from topicdock.contract.config import Cluster, read_channels, read_cluster, read_hyperparameters
from topicdock.contract.layout import Layout
from topicdock.errors import CustomerError


def write(layout: Layout, name: str, content: Any) -> None:
    path = layout.base / "input" / "config" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def read_all(layout: Layout) -> None:
    read_hyperparameters(layout)
    read_channels(layout, [])
    read_cluster(layout)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def test_the_base_folder_moves_with_the_environment() -> None:
    assert Layout.from_environment({}).base == Path("/opt/ml")
    assert Layout.from_environment({"SAGEMAKER_BASE_DIR": "/tmp/ml"}).model == Path("/tmp/ml/model")


def test_missing_files_are_empty_ones(layout: Layout) -> None:
    assert read_hyperparameters(layout) == {}
    assert read_channels(layout, ["train"]) == {}
    assert read_cluster(layout) == Cluster("algo-1", ("algo-1",))


def test_without_inputdataconfig_declared_channels_with_a_folder_are_taken(layout: Layout) -> None:
    layout.channel("train").mkdir(parents=True)
    layout.channel("surprise").mkdir()
    assert list(read_channels(layout, ["train", "validation"])) == ["train"]


def test_a_channel_may_declare_nothing(layout: Layout) -> None:
    write(layout, "inputdataconfig.json", {"train": {}})
    channel = read_channels(layout, ["train"])["train"]
    assert (channel.content_type, channel.input_mode) == ("", "File")


def test_a_channel_that_is_null_or_a_file_without_content_is_as_if_left_out(layout: Layout) -> None:
    write(layout, "inputdataconfig.json", {"train": None})
    assert read_channels(layout, ["train"])["train"].input_mode == "File"
    write(layout, "inputdataconfig.json", " \n")
    layout.channel("train").mkdir(parents=True)
    assert list(read_channels(layout, ["train"])) == ["train"]


def test_unknown_channel_fields_are_ignored(layout: Layout) -> None:
    write(
        layout,
        "inputdataconfig.json",
        {
            "train": {
                "ContentType": "text/csv",
                "ShuffleConfig": {"Seed": 1},
                "CompressionType": None,
                "RecordWrapperType": "None",
            }
        },
    )
    assert read_channels(layout, ["train"])["train"].content_type == "text/csv"


def test_hosts_with_suffixes_and_unknown_interfaces_are_understood(layout: Layout) -> None:
    hosts = ["algo-2-vumy5", "algo-1-vumy5"]
    write(
        layout,
        "resourceconfig.json",
        {"current_host": "algo-2-vumy5", "hosts": hosts, "network_interface_name": "ethwe", "topology": None},
    )
    cluster = read_cluster(layout)
    assert (cluster.current_host, cluster.hosts) == ("algo-2-vumy5", ("algo-1-vumy5", "algo-2-vumy5"))


@pytest.mark.parametrize("name", ["hyperparameters.json", "inputdataconfig.json", "resourceconfig.json"])
@pytest.mark.parametrize("text", ["{", "[1, 2]", '"text"', "[" * 100_000, "null"])
def test_what_is_no_json_object_is_named_with_its_file(layout: Layout, name: str, text: str) -> None:
    write(layout, name, text)
    with pytest.raises(CustomerError) as caught:
        read_all(layout)
    assert name in str(caught.value)


def test_bytes_that_are_no_text_are_named_with_their_file(layout: Layout) -> None:
    write(layout, "hyperparameters.json", "{}")
    layout.hyperparameters.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(CustomerError, match=r"hyperparameters.json: the file is not UTF-8 text; got: byte 7"):
        read_hyperparameters(layout)


def test_a_byte_order_mark_and_an_empty_file_do_no_harm(layout: Layout) -> None:
    write(layout, "hyperparameters.json", "")
    assert read_hyperparameters(layout) == {}
    layout.hyperparameters.write_bytes(b'\xef\xbb\xbf{"num_topics": "5"}')
    assert read_hyperparameters(layout) == {"num_topics": "5"}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("hyperparameters.json", {"epochs": {"a": 1}}, "a hyperparameter must be a string"),
        ("inputdataconfig.json", {"train": "text/csv"}, "train: a channel's settings must be a JSON object"),
        ("resourceconfig.json", {"current_host": "algo-3", "hosts": ["algo-1"]}, "current_host must be one of hosts"),
        ("resourceconfig.json", {"hosts": "algo-1"}, "hosts must be a list of names"),
        ("resourceconfig.json", {"hosts": ["algo 1"]}, 'without blanks; got: ["algo 1"]'),
    ],
)
def test_a_file_that_contradicts_the_contract_is_explained(layout: Layout, name: str, content: Any, said: str) -> None:
    write(layout, name, content)
    with pytest.raises(CustomerError) as caught:
        read_all(layout)
    assert said in str(caught.value)
