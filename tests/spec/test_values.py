"""The strings of every client parse to the same values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from topicdock.spec.values import parse_bool, parse_float, parse_int, parse_sizes, parse_word


@pytest.mark.parametrize(
    "written",
    [
        "60,40",
        " 60, 40 ",
        "[60, 40]",
        '"[60, 40]"',
        '"60,40"',
        '["6", "0", ",", "4", "0"]',
        "(60, 40)",
        "60,40,",
        [60, 40],
    ],
)
def test_layer_sizes_are_the_same_from_every_client(written: Any) -> None:
    assert parse_sizes(written) == (60, 40)


@pytest.mark.parametrize(
    ("written", "sizes"), [("auto", "auto"), ('"auto"', "auto"), ("Auto", "auto"), ("7", (7,)), (7, (7,))]
)
def test_layer_sizes_may_be_auto_or_one_number(written: Any, sizes: object) -> None:
    assert parse_sizes(written) == sizes


@pytest.mark.parametrize("written", ["50", '"50"', "50.0", "5e1", 50, 50.0, " 50 "])
def test_integers_are_the_same_from_every_client(written: Any) -> None:
    assert parse_int(written) == 50


@pytest.mark.parametrize("written", ["inf", "Inf", "Infinity", '"Inf"', float("inf")])
def test_infinity_has_many_spellings(written: Any) -> None:
    assert parse_float(written) == float("inf")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("True", True),
        ("true", True),
        ("1", True),
        ('"true"', True),
        (True, True),
        ("False", False),
        ("0", False),
        (False, False),
    ],
)
def test_truth_values_are_the_same_from_every_client(written: Any, value: bool) -> None:
    assert parse_bool(written) is value


@pytest.mark.parametrize(
    ("parse", "written"),
    [
        (parse_int, "5.5"), (parse_int, "abc"), (parse_int, ""), (parse_int, True), (parse_int, "inf"),
        (parse_int, [1]),
        (parse_float, "nan"), (parse_float, "1,5"), (parse_float, None), (parse_float, False),
        (parse_bool, "maybe"), (parse_bool, ""), (parse_word, 3),
        (parse_sizes, ""), (parse_sizes, "60;40"), (parse_sizes, "[60,"), (parse_sizes, "[]"), (parse_sizes, None),
    ],
)  # fmt: skip
def test_anything_else_is_refused_as_a_value_error(parse: Callable[[Any], Any], written: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the caller writes the message
        parse(written)
