"""Declarations turn strings into settings, or into one text that lists every mistake."""

from __future__ import annotations

import math
from typing import Any

import pytest

from topicdock.errors import CustomerError
from topicdock.spec.etm import ETMHyperparameters
from topicdock.spec.hyperparameters import Description, Hyperparameters
from topicdock.spec.ntm import NTMHyperparameters
from topicdock.spec.registry import ALGORITHMS, choose_algorithm

REQUIRED = {"num_topics": "20", "feature_dim": "2000"}
DESCRIPTIONS = [
    (specification.hyperparameters, description)
    for specification in ALGORITHMS.values()
    for description in specification.hyperparameters.describe()
]
EACH = pytest.mark.parametrize(
    ("declared", "description"), DESCRIPTIONS, ids=[f"{c.__name__}-{d.name}" for c, d in DESCRIPTIONS]
)


def test_the_built_ins_defaults_come_back_with_its_recipe() -> None:
    parsed = NTMHyperparameters.parse({**REQUIRED, "recipe": "sagemaker"})
    assert (
        parsed.encoder_layers_activation, parsed.epochs, parsed.mini_batch_size, parsed.optimizer, parsed.learning_rate,
        parsed.batch_norm, parsed.clip_gradient, parsed.encoder_layers, parsed.num_patience_epochs, parsed.tolerance,
        parsed.rescale_gradient, parsed.sub_sample, parsed.weight_decay,
    ) == ("sigmoid", 50, 256, "adadelta", 0.01, False, math.inf, "auto", 3, 0.001, 1.0, 1.0, 0.0)  # fmt: skip


def test_what_the_user_sets_overrides_any_recipe() -> None:
    parsed = NTMHyperparameters.parse({**REQUIRED, "recipe": "sagemaker", "optimizer": "sgd", "epochs": "7"})
    assert (parsed.optimizer, parsed.epochs) == ("sgd", 7)


def test_automatic_layers_are_three_and_two_times_the_topics() -> None:
    assert NTMHyperparameters.parse({**REQUIRED, "encoder_layers": "auto"}).layer_sizes() == (60, 40)


def test_the_platforms_own_keys_are_passed_over() -> None:
    extra = {"_tuning_objective_metric": "validation:total_loss", "sagemaker_program": '"train.py"', "_kvstore": "x"}
    assert NTMHyperparameters.parse({**REQUIRED, **extra}) == NTMHyperparameters.parse(REQUIRED)


def test_what_is_null_or_none_was_not_set() -> None:
    assert NTMHyperparameters.parse({**REQUIRED, "epochs": None, "optimizer": "None"}) == NTMHyperparameters.parse(
        REQUIRED
    )


@pytest.mark.parametrize("sizes", ["[" * 2000, "1000000000", "9" * 30, "60,,40"])
def test_layers_beyond_reason_are_refused(sizes: str) -> None:
    with pytest.raises(CustomerError, match="encoder_layers must be auto, wide, or integers from 1 to 100000"):
        NTMHyperparameters.parse({**REQUIRED, "encoder_layers": sizes})


def test_every_mistake_is_listed_at_once() -> None:
    wrong = {"num_topics": "1", "mini_batch_siz": "8", "epochs": "abc", "optimizer": "adamw", "sub_sample": "0"}
    with pytest.raises(CustomerError) as caught:
        NTMHyperparameters.parse(wrong)
    text = str(caught.value)
    assert "mini_batch_siz is not a hyperparameter (did you mean mini_batch_size?)" in text
    assert "num_topics must be an integer from 2 to 1000, got '1'" in text
    assert "feature_dim is missing" in text
    assert "epochs must be an integer from 1 to 1000000, or auto, got 'abc'" in text
    assert "optimizer must be one of sgd, adam, adagrad, adadelta, rmsprop, got 'adamw'" in text


def _just_outside(description: Description) -> list[Any]:
    if description.kind == "choice":
        return ["no such word"]
    if description.kind == "boolean":
        return ["maybe"]
    if description.kind == "sizes":
        return ["0", "3,-1", "three"]
    step = 1 if description.kind == "integer" else 1e-9
    smallest, largest = description.bounds
    beyond = [] if smallest is None else [smallest - step]
    return [*beyond, *([] if largest is None else [largest + step]), "NaN", ""]


@EACH
def test_every_hyperparameter_rejects_what_lies_just_outside_its_range(
    declared: type[Hyperparameters], description: Description
) -> None:
    for value in _just_outside(description):
        with pytest.raises(CustomerError, match=description.name):
            declared.parse({**REQUIRED, description.name: str(value)})


@EACH
def test_every_hyperparameter_accepts_the_ends_of_its_range(
    declared: type[Hyperparameters], description: Description
) -> None:
    name = description.name
    values = [*description.choices, *(str(bound) for bound in description.bounds if bound is not None)]
    for value in values:
        if (name, float(value) if description.kind == "number" else value) == ("sub_sample", 0.0):
            continue  # the range that Amazon documents begins with a share that leaves nothing
        declared.parse({**REQUIRED, name: value})


@EACH
def test_every_hyperparameter_says_what_it_does(declared: type[Hyperparameters], description: Description) -> None:
    assert declared.__name__
    assert description.sentence.endswith(".")
    assert description.allowed


def test_the_authors_names_are_other_names_of_etms_hyperparameters() -> None:
    authors = {
        "t_hidden_size": "400", "rho_size": "200", "emb_size": "200", "theta_act": "tanh", "enc_drop": "0.1",
        "train_embeddings": "1", "bow_norm": "0", "clip": "0.0", "wdecay": "1.2e-6", "anneal_lr": "1", "lr_factor": "2",
        "nonmono": "5", "lr": "0.02", "batch_size": "500",
    }  # fmt: skip
    parsed = ETMHyperparameters.parse({**REQUIRED, **authors})
    assert (
        parsed.encoder_layers, parsed.embedding_size, parsed.encoder_layers_activation, parsed.encoder_dropout,
        parsed.train_embeddings, parsed.encoder_input, parsed.clip_gradient_norm, parsed.weight_decay,
        parsed.learning_rate_schedule, parsed.annealing_factor, parsed.annealing_patience, parsed.learning_rate,
        parsed.mini_batch_size,
    ) == ((400, 400), 200, "tanh", 0.1, "true", "counts", math.inf, 1.2e-6, "anneal", 2.0, 5, 0.02, 500)  # fmt: skip


def test_two_names_of_one_hyperparameter_must_agree() -> None:
    ETMHyperparameters.parse({**REQUIRED, "rho_size": "50", "embedding_size": "50"})
    with pytest.raises(CustomerError, match=r"lr is another name of learning_rate, and learning_rate = '0\.1' says"):
        ETMHyperparameters.parse({**REQUIRED, "lr": "0.2", "learning_rate": "0.1"})


@pytest.mark.parametrize(("name", "own"), [("t_hidden_size", "encoder_layers"), ("theta_act", "encoder_layers_act")])
def test_a_bad_value_under_another_name_is_refused_by_the_own_name(name: str, own: str) -> None:
    with pytest.raises(CustomerError, match=own):
        ETMHyperparameters.parse({**REQUIRED, name: "nonsense"})


def test_the_authors_settings_come_back_with_their_recipe() -> None:
    parsed = ETMHyperparameters.parse({**REQUIRED, "recipe": "authors"})
    assert (
        parsed.layer_sizes(), parsed.embedding_size, parsed.optimizer, parsed.learning_rate, parsed.weight_decay,
        parsed.mini_batch_size, parsed.encoder_input, parsed.encoder_dropout, parsed.clip_gradient_norm, parsed.prior,
    ) == ((800, 800), 300, "adam", 0.005, 1.2e-6, 1000, "frequencies", 0.0, math.inf, "normal")  # fmt: skip
    assert parsed.trains_embeddings(given=False)
    assert not parsed.trains_embeddings(given=True)
    assert not parsed.has_background_topic()


def test_an_unknown_algorithm_is_named_with_those_there_are() -> None:
    with pytest.raises(CustomerError, match=r"got: 'bert'; allowed: .*ntm"):
        choose_algorithm({"algorithm": '"bert"'})


def test_the_hyperparameter_wins_over_the_preferred_algorithm() -> None:
    assert choose_algorithm({"algorithm": "NTM"}, "nonsense").name == "ntm"
    assert choose_algorithm({}).name == "ntm"
