from __future__ import annotations

import logging

import pytest

from topicdock.errors import CustomerError
from topicdock.machine import Machine
from topicdock.serving.settings import MEGABYTE, Settings

GIGABYTE = 1 << 30
LARGE = Machine(cores=4, memory=16 * GIGABYTE)


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    assert Settings.from_environment({}, LARGE) == Settings(
        port=8080,
        workers=4,
        timeout=60,
        default_accept="application/json",
        strict_accept=False,
        body_limit=100 * MEGABYTE,
        log_level=logging.INFO,
        page=True,
        access_log=True,
        metrics=False,
        multi_model=False,
        models_limit=8 * GIGABYTE,
    )


def test_every_variable_is_honoured() -> None:
    environment = {
        "SAGEMAKER_BIND_TO_PORT": "9001",
        "SAGEMAKER_MODEL_SERVER_WORKERS": " 3 ",
        "SAGEMAKER_MODEL_SERVER_TIMEOUT": "90",
        "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS": "120",
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "application/JSONLines",
        "TOPICDOCK_STRICT_ACCEPT": "True",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "6",
        "SAGEMAKER_CONTAINER_LOG_LEVEL": "10",
        "SAGEMAKER_MULTI_MODEL": "true",
        "TOPICDOCK_PAGE": "off",
        "TOPICDOCK_ACCESS_LOG": "no",
        "TOPICDOCK_METRICS": "1",
        "TOPICDOCK_MODELS_IN_MB": "500",
    }
    assert Settings.from_environment(environment, LARGE) == Settings(
        port=9001,
        workers=3,
        timeout=120,
        default_accept="application/jsonlines",
        strict_accept=True,
        body_limit=6 * MEGABYTE,
        log_level=logging.DEBUG,
        page=False,
        access_log=False,
        metrics=True,
        multi_model=True,
        models_limit=500 * MEGABYTE,
    )


@pytest.mark.parametrize(
    ("environment", "limit"),
    [
        ({"MAX_CONTENT_LENGTH": "1000"}, 1000),
        ({"MAX_CONTENT_LENGTH": "1000", "SAGEMAKER_MAX_PAYLOAD_IN_MB": "6"}, 1000),
        ({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"}, 1024 * MEGABYTE),
    ],
)
def test_a_body_may_be_as_large_as_the_most_precise_variable_says(environment: dict[str, str], limit: int) -> None:
    assert Settings.from_environment(environment, LARGE).body_limit == limit


@pytest.mark.parametrize(
    ("environment", "page"),
    [
        ({"SAGEMAKER_BIND_TO_PORT": "9000", "SAGEMAKER_BASE_DIR": "/x"}, True),  # as one sets by hand
        ({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials"}, False),
        ({"SAGEMAKER_BATCH": "true"}, False),
        ({"SAGEMAKER_BATCH": "true", "TOPICDOCK_PAGE": "ON"}, True),
        ({"TOPICDOCK_PAGE": "no"}, False),
    ],
)
def test_the_page_is_off_where_sagemaker_hosts_unless_it_is_asked_for(environment: dict[str, str], page: bool) -> None:
    assert Settings.from_environment(environment, LARGE).page is page


@pytest.mark.parametrize(
    ("cores", "gigabytes", "workers"), [(1, 16, 1), (8, 16, 8), (8, 2, 2), (2, 1, 1), (2, 0.4, 1), (6, 1.9, 1)]
)
def test_there_is_a_worker_for_each_core_as_far_as_memory_goes(cores: int, gigabytes: float, workers: int) -> None:
    machine = Machine(cores, int(gigabytes * GIGABYTE))
    assert Settings.from_environment({}, machine).workers == workers


@pytest.mark.parametrize(
    ("name", "value", "level"), [("WARNING", "warning", 30), ("ERROR", "ERROR", 40), ("0", "0", 0), ("50", "50", 50)]
)
def test_the_log_level_is_a_name_or_a_number(name: str, value: str, level: int) -> None:
    assert Settings.from_environment({"SAGEMAKER_CONTAINER_LOG_LEVEL": value}, LARGE).log_level == level


def test_all_bad_values_are_named_at_once_with_what_was_got_and_what_is_allowed() -> None:
    environment = {
        "SAGEMAKER_BIND_TO_PORT": "70000",
        "SAGEMAKER_MODEL_SERVER_WORKERS": "-1",
        "SAGEMAKER_MODEL_SERVER_TIMEOUT": "1.5",
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv",
        "TOPICDOCK_STRICT_ACCEPT": "maybe",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "²",
        "MAX_CONTENT_LENGTH": "9" * 5000,
        "SAGEMAKER_CONTAINER_LOG_LEVEL": "loud",
    }
    with pytest.raises(CustomerError) as caught:
        Settings.from_environment(environment, LARGE)
    text = str(caught.value)
    for name in environment:
        assert f"{name} is '{environment[name][:100]}', allowed: " in text
    assert "a whole number from 1 to 65535" in text
    assert len(text) < 2000


def test_this_machine_has_cores_and_memory() -> None:
    machine = Machine.probe()
    assert machine.cores >= 1
    assert machine.memory > 1 << 20
