"""What the image declares, and what is not in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.container.docker import Engine, inspect, mount
from tests.jobs import small_job

pytestmark = [pytest.mark.container, pytest.mark.timeout(1800)]
BASE = "python:3.11-slim-bookworm"
LARGEST = 800e6
LARGEST_ADDITION = 600e6

LIST_UNCOMPILED = """
import os, sys
import topicdock.cli, topicdock.serving.server, topicdock.training
code = topicdock.training.train(os.environ)
modules = [module for module in sys.modules.values() if "/opt/topicdock" in (getattr(module, "__file__", None) or "")]
cached = {module.__name__: getattr(module, "__cached__", None) for module in modules}
print(sorted(name for name, path in cached.items() if path and not os.path.exists(path)))
sys.exit(code)
"""


def test_the_image_declares_what_sagemaker_reads(image: str) -> None:
    config = inspect(image)["Config"]
    assert config["Entrypoint"] == ["/usr/local/bin/entrypoint"]  # exec form: no shell between Docker and the program
    assert not config["Cmd"]
    assert config["Labels"]["com.amazonaws.sagemaker.capabilities.accept-bind-to-port"] == "true"
    assert config["Labels"]["com.amazonaws.sagemaker.capabilities.multi-models"] == "true"
    assert list(config["ExposedPorts"]) == ["8080/tcp"]
    assert "PYTHONUNBUFFERED=1" in config["Env"]
    assert config["User"] == ""
    assert not config["Volumes"]


def test_the_image_is_no_larger_than_it_should_be(image: str) -> None:
    assert inspect(image)["Size"] < LARGEST
    assert inspect(image)["Size"] - inspect(BASE)["Size"] < LARGEST_ADDITION


def test_an_image_of_another_algorithm_differs_by_a_variable_alone(image: str, lda_image: str) -> None:
    variables = [set(inspect(name)["Config"]["Env"]) for name in (image, lda_image)]
    assert variables[0] ^ variables[1] == {"TOPICDOCK_ALGORITHM=ntm", "TOPICDOCK_ALGORITHM=lda"}
    assert inspect(image)["RootFS"] == inspect(lda_image)["RootFS"]


def test_the_image_holds_no_compiler_no_developer_tool_and_no_opt_ml(engine: Engine) -> None:
    script = (
        "for name in gcc cc ld strip pytest ruff; do command -v $name; done; ls -d /opt/ml /build 2>/dev/null; true"
    )
    assert engine.run([], ["sh", "-c", script]) == (0, "")


def test_an_unknown_argument_is_executed(engine: Engine) -> None:
    assert engine.run([], ["sh", "-c", "echo $0-$1; exit 7", "a", "b c"]) == (7, "a-b c\n")


def test_the_command_line_is_there(engine: Engine) -> None:
    code, printed = engine.run([], ["topicdock", "--version"])
    assert (code, printed.split()[0]) == (0, "topicdock,")


def test_nothing_that_training_and_serving_import_is_compiled_at_every_start(engine: Engine, tmp_path: Path) -> None:
    job = small_job(tmp_path, epochs="1")
    code, printed = engine.run([*mount(job.base), "--read-only", "--tmpfs", "/tmp"], ["python3", "-c", LIST_UNCOMPILED])
    assert (code, printed.splitlines()[-1]) == (0, "[]"), printed
