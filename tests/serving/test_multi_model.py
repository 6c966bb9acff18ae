"""Many models in one service: loaded by name, shared by its processes, gone when they are unloaded."""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPException
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import orjson
import pytest
from flask.testing import FlaskClient
from scipy.sparse import csr_matrix
from werkzeug.test import TestResponse

from tests.model.test_embedded import random_etm
from tests.models import random_counts, random_model
from topicdock.artifact import save_model
from topicdock.corpus import encode_csv, encode_json
from topicdock.model import DirichletTopicModel, Metadata, NeuralTopicModel, TopicModel
from topicdock.serving.app import create_app
from topicdock.serving.registry import Registry
from topicdock.serving.served_model import ServedModel
from topicdock.serving.settings import Settings
from topicdock.serving.spool import Card

from .asking import assert_plain_line
from .malformed import CSV, JSON
from .reading import read_json
from .service import Answer, Service

COUNTS = random_counts()
ODD_NAMES = ["a", "with space", "slash/es//two", "prozent%41", "ünï", "?x=1#y", "..", "x/invoke", "models"]


def folder_of(tmp_path: Path, seed: int) -> str:
    vocabulary = tuple(f"word{number}" for number in range(30))
    save_model(random_model(seed=seed, vocabulary=vocabulary), tmp_path / f"model-{seed}")
    return str(tmp_path / f"model-{seed}")


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    (tmp_path / "spool").mkdir()
    return tmp_path / "spool"


@pytest.fixture
def client(spool: Path) -> FlaskClient:
    return client_of(Registry(spool, 1 << 24))


def client_of(models: Registry | ServedModel) -> FlaskClient:
    app = create_app(models, Settings())
    app.test_client_class = Buffered
    return app.test_client()


class Buffered(FlaskClient):
    """Reads every answer to its end, as the server does: a request is inside the process until then."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return super().open(*args, **{**kwargs, "buffered": True})


def load(client: FlaskClient, name: object, url: object) -> TestResponse:
    return client.post("/models", json={"model_name": name, "url": url})


def invoke(client: FlaskClient, name: str) -> TestResponse:
    return client.post(f"/models/{quote(name, safe='')}/invoke", data=encode_csv(COUNTS), content_type=CSV)


def test_a_model_is_loaded_listed_described_invoked_and_unloaded(client: FlaskClient, tmp_path: Path) -> None:
    url = folder_of(tmp_path, 1)
    card = {"modelName": "a", "modelUrl": url}
    assert client.get("/ping").status_code == 200
    assert client.get("/models").json == {"models": []}
    assert load(client, "a", url).json == card
    assert client.get("/models").json == {"models": [card]}
    assert client.get("/models/a").json == card
    answer = invoke(client, "a")
    assert answer.status_code == 200
    np.testing.assert_array_equal(read_json(answer.data), random_model(seed=1).transform(COUNTS))
    assert client.delete("/models/a").json == card
    assert client.get("/models").json == {"models": []}


def test_what_is_not_loaded_is_404_in_one_plain_line_that_names_it(client: FlaskClient, tmp_path: Path) -> None:
    for response in (client.get("/models/b"), client.delete("/models/b"), invoke(client, "b")):
        assert "'b'" in assert_plain_line(response, 404)
    assert load(client, "b", folder_of(tmp_path, 1)).status_code == 200
    assert client.delete("/models/b").status_code == 200
    for response in (client.get("/models/b"), client.delete("/models/b"), invoke(client, "b")):
        assert_plain_line(response, 404)


def test_a_name_is_taken_until_it_is_unloaded(client: FlaskClient, tmp_path: Path) -> None:
    first, second = folder_of(tmp_path, 1), folder_of(tmp_path, 2)
    assert load(client, "a", first).status_code == 200
    assert "'a'" in assert_plain_line(load(client, "a", second), 409)
    np.testing.assert_array_equal(read_json(invoke(client, "a").data), random_model(seed=1).transform(COUNTS))
    assert client.delete("/models/a").status_code == 200
    assert load(client, "a", second).status_code == 200
    np.testing.assert_array_equal(read_json(invoke(client, "a").data), random_model(seed=2).transform(COUNTS))


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_may_hold_any_character(client: FlaskClient, tmp_path: Path, name: str) -> None:
    assert load(client, name, folder_of(tmp_path, 1)).status_code == 200
    place = f"/models/{quote(name, safe='')}"
    description = client.get(place).json
    assert description is not None
    assert description["modelName"] == name
    assert invoke(client, name).status_code == 200
    assert client.delete(place).status_code == 200


def test_the_list_comes_in_pages_that_unloading_does_not_disturb(client: FlaskClient, tmp_path: Path) -> None:
    url = folder_of(tmp_path, 1)
    names = [f"model-{number:03}" for number in range(230)]
    for name in reversed(names):
        assert load(client, name, url).status_code == 200
    pages: list[list[str]] = []
    token: str | None = ""
    while token is not None:
        answer = client.get("/models", query_string={"next_page_token": token} if token else {}).json
        assert answer is not None
        pages.append([card["modelName"] for card in answer["models"]])
        token = answer.get("nextPageToken")
        if token:
            client.delete(f"/models/{pages[-1][-1]}")  # the one the token was made from
    assert [len(page) for page in pages] == [100, 100, 30]
    assert list(chain.from_iterable(pages)) == names


@pytest.mark.parametrize("token", ["!", "abc", "/w=="])
def test_a_token_that_was_never_given_is_400(client: FlaskClient, token: str) -> None:
    assert "next_page_token" in assert_plain_line(client.get("/models", query_string={"next_page_token": token}), 400)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"model_name": "a"}', b'{"model_name": 1, "url": "/x"}',
     b'{"model_name": "", "url": "/x"}', b'{"model_name": "a", "url": ""}', b'{"model_name": "a", "url": "/x\\u0000"}',
     b'{"model_name": "' + 1025 * b"a" + b'", "url": "/x"}'],
)  # fmt: skip
def test_an_order_to_load_that_makes_no_sense_is_400(client: FlaskClient, body: bytes) -> None:
    assert_plain_line(client.post("/models", data=body), 400)


def test_a_folder_without_a_model_that_can_be_served_is_400_and_loads_nothing(
    client: FlaskClient, tmp_path: Path, spool: Path
) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "model_algo-1").write_bytes(b"nothing of the kind")
    for url in (tmp_path / "missing", damaged):
        assert str(url) in assert_plain_line(load(client, "a", str(url)), 400)
    assert client.get("/models").json == {"models": []}
    assert [path for path in spool.iterdir() if path.name != "lock"] == []


def test_no_room_is_507_until_another_model_is_unloaded(tmp_path: Path, spool: Path) -> None:
    url = folder_of(tmp_path, 1)
    size = next(Path(url).iterdir()).stat().st_size
    client = client_of(Registry(spool, 2 * size))
    assert [load(client, name, url).status_code for name in "abc"] == [200, 200, 507]
    assert "unload" in assert_plain_line(load(client, "c", url), 507)
    assert [invoke(client, name).status_code for name in "abc"] == [200, 200, 404]
    assert client.delete("/models/a").status_code == 200
    assert load(client, "c", url).status_code == 200


def test_a_single_model_is_not_answered_for_and_models_are_not_managed_without_being_asked_to(
    client: FlaskClient, model: NeuralTopicModel
) -> None:
    assert "/models/<name>/invoke" in assert_plain_line(client.post("/invocations", data=b"1"), 404)
    single = client_of(ServedModel(model))
    assert_plain_line(single.get("/models"), 404)
    assert_plain_line(load(single, "a", "/x"), 404)


def test_a_mapped_model_has_the_arrays_and_metadata_that_were_loaded(tmp_path: Path, spool: Path) -> None:
    registry = Registry(spool, 1 << 24)
    registry.load(Card("a", folder_of(tmp_path, 1)))
    served, original = registry.find("a"), random_model(seed=1)
    mapped = served.model
    assert mapped.metadata.vocabulary == tuple(f"word{number}" for number in range(30))
    assert mapped.metadata.hyperparameters == original.metadata.hyperparameters
    assert mapped.arrays.keys() == original.arrays.keys()
    for name, array in original.arrays.items():
        np.testing.assert_array_equal(mapped.arrays[name], array)
        assert not mapped.arrays[name].flags.writeable
    assert registry.find("a") is served


def random_lda() -> DirichletTopicModel:
    rng = np.random.default_rng(3)
    beta = rng.dirichlet(np.full(30, 0.1), size=4).astype(np.float32)
    beta[:, 7] = 0  # a word that no topic has
    vocabulary = tuple(f"word{number}" for number in range(30))
    return DirichletTopicModel({"alpha": np.full(4, 0.2, np.float32), "beta": beta}, Metadata(vocabulary=vocabulary))


@pytest.mark.parametrize("make", [random_lda, random_etm], ids=["LDA", "ETM"])
def test_models_of_other_algorithms_are_shared_and_explained_too(
    client: FlaskClient, tmp_path: Path, make: Callable[[], TopicModel]
) -> None:
    model = make()
    save_model(model, tmp_path / "model")
    assert load(client, "a", str(tmp_path / "model")).status_code == 200
    headers = {"Accept": "application/json; verbose=true"}
    answer = client.post("/models/a/invoke", data=encode_csv(COUNTS), content_type=CSV, headers=headers)
    assert answer.status_code == 200
    np.testing.assert_array_equal(read_json(answer.data, model.response_key), model.transform(COUNTS))
    assert list(orjson.loads(answer.data)["predictions"][0]) == [model.response_key, "topics"]


def test_unloading_waits_for_a_process_that_still_uses_the_model(tmp_path: Path, spool: Path) -> None:
    registry = Registry(spool, 1 << 24)
    registry.load(Card("a", folder_of(tmp_path, 1)))
    with next(spool.glob("*.model")).open("rb") as elsewhere:
        fcntl.flock(elsewhere, fcntl.LOCK_SH)
        thread = threading.Thread(target=registry.unload, args=["a"])
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
    thread.join(30)
    assert not thread.is_alive()


def test_what_a_killed_process_left_half_written_is_swept_away(tmp_path: Path, spool: Path) -> None:
    left = spool / "x.unfinished"
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    Registry(spool, 1 << 24).load(Card("a", folder_of(tmp_path, 1)))
    assert not left.exists()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    base = tmp_path_factory.mktemp("many")
    extra = {"SAGEMAKER_MULTI_MODEL": "true", "SAGEMAKER_MODEL_SERVER_WORKERS": "3", "TMPDIR": str(base)}
    with Service(base, extra) as service:
        yield service
    assert list(base.glob("topicdock-*")) == []


def order(name: str, url: str) -> bytes:
    return orjson.dumps({"model_name": name, "url": url})


def call(service: Service, name: str, counts: csr_matrix = COUNTS) -> Answer:
    return service.ask("POST", f"/models/{name}/invoke", encode_json(counts), {"Content-Type": JSON})


def test_a_model_loaded_by_one_worker_is_there_in_all_and_gone_from_all(running: Service, tmp_path: Path) -> None:
    for round_ in range(3):
        assert running.ask("POST", "/models", order("a", folder_of(tmp_path, round_))).status == 200
        expected = random_model(seed=round_).transform(COUNTS)
        for _ in range(20):  # connections of their own, so that every worker has its turn
            np.testing.assert_array_equal(read_json(call(running, "a").body), expected)
        began = time.monotonic()
        assert running.ask("DELETE", "/models/a").status == 200
        assert time.monotonic() - began < 2
        assert {call(running, "a").status for _ in range(20)} == {404}
        for pid in running.workers:
            assert ".model" not in Path(f"/proc/{pid}/maps").read_text()


def test_models_outlive_a_killed_worker(running: Service, tmp_path: Path) -> None:
    assert running.ask("POST", "/models", order("kept", folder_of(tmp_path, 4))).status == 200
    for pid in running.workers:
        os.kill(pid, signal.SIGKILL)
    running.wait_until(running.answers_ping)
    np.testing.assert_array_equal(read_json(call(running, "kept").body), random_model(seed=4).transform(COUNTS))
    assert running.ask("DELETE", "/models/kept").status == 200


def test_loads_invocations_and_unloads_at_once_answer_as_if_one_after_the_other(
    running: Service, tmp_path: Path
) -> None:
    urls = [folder_of(tmp_path, seed) for seed in range(3)]
    expected = [random_model(seed=seed).transform(COUNTS) for seed in range(3)]
    trouble: list[object] = []

    def work(number: int) -> None:
        try:
            for turn in range(8):
                seed = (number + turn) % 3
                name = f"m{seed}"  # the same three names by all
                loaded = running.ask("POST", "/models", order(name, urls[seed])).status
                answer = call(running, name)
                unloaded = running.ask("DELETE", f"/models/{name}").status
                if loaded not in (200, 409) or answer.status not in (200, 404) or unloaded not in (200, 404):
                    trouble.append((loaded, answer, unloaded))
                elif answer.status == 200 and not np.array_equal(read_json(answer.body), expected[seed]):
                    trouble.append("another model's answer")
        except Exception as error:  # noqa: BLE001 - to be shown by the test, not by its thread
            trouble.append(error)

    threads = [threading.Thread(target=work, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert trouble == []
    assert orjson.loads(running.ask("GET", "/models").body) == {"models": []}
    assert "Traceback" not in running.log


def test_workers_killed_amid_loads_leave_every_model_whole_or_not_there(running: Service, tmp_path: Path) -> None:
    url, expected = folder_of(tmp_path, 1), random_model(seed=1).transform(COUNTS)
    over = threading.Event()

    def work(name: str) -> None:
        while not over.is_set():
            try:
                running.ask("POST", "/models", order(name, url))
                running.ask("DELETE", f"/models/{name}")
            except (OSError, HTTPException):  # of a worker that was killed
                continue

    threads = [threading.Thread(target=work, args=[name]) for name in "vwxyz"]
    for thread in threads:
        thread.start()
    for _ in range(3):
        running.wait_until(lambda: len(running.workers) == 3)
        for pid in running.workers[:2]:
            with suppress(ProcessLookupError):  # one that was killed before, and is only now forgotten
                os.kill(pid, signal.SIGKILL)
    over.set()
    for thread in threads:
        thread.join(60)
    running.wait_until(running.answers_ping)
    for card in orjson.loads(running.ask("GET", "/models").body)["models"]:
        np.testing.assert_array_equal(read_json(call(running, card["modelName"]).body), expected)
        assert running.ask("DELETE", f"/models/{card['modelName']}").status == 200
    assert running.ask("POST", "/models", order("v", url)).status == 200
    assert running.ask("DELETE", "/models/v").status == 200
