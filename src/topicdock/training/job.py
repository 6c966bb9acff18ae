"""One training job: configuration in, documents in, model out, and an exit code."""

from __future__ import annotations

import importlib
import logging
import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from topicdock.algorithms.hosts import Hosts, Seat, locate
from topicdock.artifact import save_model
from topicdock.contract.config import read_channels, read_cluster, read_hyperparameters
from topicdock.contract.failure import FAILURE, STOPPED, SUCCESS, report_failure
from topicdock.contract.layout import Layout
from topicdock.contract.logs import configure_logging, parse_level
from topicdock.contract.stopping import Stopped, StopRequest
from topicdock.corpus.documents import count_words
from topicdock.model import TopicModel
from topicdock.spec.corpus_size import CorpusSize
from topicdock.spec.registry import choose_algorithm
from topicdock.training.channels import Part, open_storage
from topicdock.training.checkpoints import describe_job, open_checkpoints
from topicdock.training.data import TrainingData, check_has_words, read_training_data
from topicdock.training.devices import prepare_device
from topicdock.training.epochs import EpochRun
from topicdock.training.hosts import check_alike, complete, gather_sample, join
from topicdock.training.log import JobLog, log_configuration, log_resolved
from topicdock.training.moments import MomentRun
from topicdock.training.processes import Crew, FirstProcess, OtherProcess
from topicdock.training.report import REPORT_FILE, Report
from topicdock.training.topics import TopicReport, measure_completion

ALGORITHM_VARIABLE = "TOPICDOCK_ALGORITHM"
LOG_LEVEL_VARIABLE = "SAGEMAKER_CONTAINER_LOG_LEVEL"
TOPICS_FILE = "topics.json"
_LEAVE_SECONDS = 20.0
"""For the other processes of this host, once all is done."""
_logger = logging.getLogger(__name__)


def train(environment: Mapping[str, str]) -> int:
    """Run the job that the files below /opt/ml (or SAGEMAKER_BASE_DIR) describe; return the process's exit code.

    Whatever goes wrong ends in the failure file and a non-zero code, never in a traceback as the only word.
    """
    configure_logging()
    layout = Layout.from_environment(environment)
    stop, crew = StopRequest(), FirstProcess(layout, environment)
    try:
        # Never above INFO: without the metric lines a tuner would have nothing to go by.
        configure_logging(min(parse_level(environment.get(LOG_LEVEL_VARIABLE, "")), logging.INFO))
        with stop.listening():
            layout.failure.unlink(missing_ok=True)
            _run(layout, environment, stop, crew)
            crew.dismiss(_LEAVE_SECONDS)
    except Stopped:
        return _stopped()
    except Exception as error:  # noqa: BLE001 - the one place where any exception becomes the customer's answer
        if stop.raised:  # what Stopped was made of by the code that it went through; Python 3.11's __set_name__ is such
            return _stopped()
        return report_failure(crew.explain(error), layout)
    finally:
        crew.dismiss()
    return SUCCESS


def _stopped() -> int:
    _logger.warning("Stopped before training had begun: there is no model.")
    return STOPPED


def train_beside(environment: Mapping[str, str], seat: Seat, link: socket.socket) -> int:
    """Take part in a job as one more process of this host, which the first one has started; return the exit code.

    The log is the first process's, and so is the failure file: what goes wrong it is told over `link`.
    """
    configure_logging(logging.ERROR)
    crew = OtherProcess(seat, link)
    try:
        _run(Layout.from_environment(environment), environment, StopRequest(), crew)
    except Exception as error:  # noqa: BLE001 - it becomes the customer's answer in the first process
        crew.tell(error)
        return FAILURE
    return SUCCESS


def _run(layout: Layout, environment: Mapping[str, str], stop: StopRequest, crew: Crew) -> None:
    began = time.perf_counter()
    given = read_hyperparameters(layout)
    specification = choose_algorithm(given, environment.get(ALGORITHM_VARIABLE, ""))
    hyperparameters = specification.hyperparameters.parse(given)
    final = hyperparameters.model_dump()
    log_configuration(
        {d.name: d.info.default for d in specification.hyperparameters.describe() if not d.required},
        given, final, str(layout.hyperparameters),
    )  # fmt: skip
    cluster = read_cluster(layout)
    channels = read_channels(layout, [channel.name for channel in specification.channels])
    seat = crew.muster(cluster, specification)
    if len(cluster.hosts) > 1 or seat.size > 1:  # who are connected by torch
        _load_torch(stop)
    # Several hosts meet before anything is read, so that one that fails while it reads is missed at once.
    hosts = join(cluster, environment, seat, crew.give_up)
    storage, part = open_storage(environment, seat.size), Part(locate(hosts.processes, hosts.rank)[0], hosts.processes)
    feature_dim = final["feature_dim"]
    data = crew.deal(
        lambda: read_training_data(channels, specification, feature_dim, storage, part), storage, feature_dim
    )
    check_alike(specification.name, final, data, hosts)
    data = complete(data, hosts)
    words, documents = hosts.sum(np.array([count_words(data.train), float(data.train.shape[0])])).tolist()
    check_has_words(int(documents), words)
    _load_torch(stop)
    device = prepare_device(environment, specification, hyperparameters, data.train, hosts, seat)
    crew.use(device)
    resolved = hyperparameters.resolve(CorpusSize(int(documents), words), len(hosts.processes)).model_dump()
    log_resolved(final, resolved, int(documents))
    run: EpochRun | MomentRun
    if specification.by_epochs:
        identity = describe_job(specification.name, resolved, data, hosts)
        checkpoints = open_checkpoints(layout, environment, identity, hosts)
        run = EpochRun(specification, cluster.current_host, resolved, hosts, checkpoints, device)
    else:
        _logger.info("Checkpoint loading and saving are disabled.")
        run = MomentRun(specification, cluster.current_host, resolved, hosts)
    run.took("setuptime", time.perf_counter() - began)
    stop.defer()
    began = time.perf_counter()
    model = run.fit(data, hyperparameters, stop)
    run.took("update.time", time.perf_counter() - began)
    if stop():
        _logger.warning("Asked to stop: training ends here, and the best model so far is saved.")
    _finish(run, model, data, int(documents), layout if hosts.rank == 0 else None, hosts)
    hosts.leave()


def _load_torch(stop: StopRequest) -> None:
    """Import torch, as late as may be. An exception from within would go through C++, which may end the process."""
    with stop.held():
        importlib.import_module("torch")


def _finish(
    run: EpochRun | MomentRun,
    model: TopicModel,
    data: TrainingData,
    documents: int,
    layout: Layout | None,
    hosts: Hosts,
) -> None:
    """Score and describe a fitted model, and save it if there is a `layout`: the leader's of several hosts."""
    began = time.perf_counter()
    training = {**run.score(data.validation), "documents": documents}
    topics = TopicReport.of(model, data.train, data.word_vectors, hosts)
    topics.log(with_vocabulary=data.vocabulary is not None)
    report = Report(model, data.train if hosts.size == 1 else gather_sample(data.train, hosts))
    training |= topics.summary() | report.figures(topics, run.losses)
    if data.text_rules is not None:
        model.metadata = replace(model.metadata, text_rules=data.text_rules.to_mapping())
    if data.embeddings is not None:
        training["words_without_vectors"] = int((~data.embeddings.known).sum())
    if data.test is not None:
        training |= measure_completion(model, data.test, hosts.sum)
    run.took("model.score.time", time.perf_counter() - began)
    if layout is not None:
        _save(model, training, topics, layout, run)
        report.save(layout.output_data / REPORT_FILE)
    if data.test is None:
        _logger.info("Test data is not provided.")
    else:
        run.score_test(data.test)
    run.log_times()


def _save(model: TopicModel, training: dict[str, Any], topics: TopicReport, layout: Layout, log: JobLog) -> None:
    began = time.perf_counter()
    model.metadata = replace(model.metadata, training=training)
    path = save_model(model, layout.model)
    _logger.info("Serializing model to %s", path)
    try:
        topics.save(layout.output_data / TOPICS_FILE)
    except OSError as error:  # the model holds everything; the job need not fail for a second copy of its topics
        _logger.warning("%s could not be written: %s.", layout.output_data / TOPICS_FILE, error.strerror or error)
    log.took("model.serialize.time", time.perf_counter() - began)
