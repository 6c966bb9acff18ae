"""A hyperparameter is declared once; validation, messages, documentation and tuner ranges come from there.

Each algorithm has one pydantic class. A field carries its range, its default, its sentence; :func:`parse` turns the
strings of a training job into an instance, or into one error that lists every mistake.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self, get_args, get_origin

import annotated_types
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from topicdock.errors import CustomerError
from topicdock.spec import values
from topicdock.spec.corpus_size import CorpusSize

Integer = Annotated[int, BeforeValidator(values.parse_int)]
Number = Annotated[float, BeforeValidator(values.parse_float)]
Boolean = Annotated[bool, BeforeValidator(values.parse_bool)]
AutoInteger = Annotated[int | None, BeforeValidator(values.parse_auto)]
"""An integer, or None for ``auto``: to be chosen once the corpus is known."""

AutoNumber = Annotated[float | None, BeforeValidator(values.parse_auto_float)]
"""A number, or None for ``auto``."""

LARGEST_LAYER = 100_000
LayerSizes = Annotated[
    tuple[Annotated[int, annotated_types.Interval(ge=1, le=LARGEST_LAYER)], ...] | Literal["auto", "wide"],
    BeforeValidator(values.parse_sizes),
]

_IGNORED_PREFIXES = ("_", "sagemaker_")


@dataclass(frozen=True)
class Tunable:
    """The range over which Amazon recommends tuning a hyperparameter (or we do, for our own)."""

    smallest: float | None = None
    largest: float | None = None
    scaling: Literal["Auto", "Linear", "Logarithmic"] = "Auto"
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Alias:
    """Another name of a hyperparameter, which some other implementation of the algorithm has for it.

    Attributes
    ----------
    name : str
        The hyperparameter's own name.
    values : mapping or callable, optional
        What the other implementation's values are here; those it does not map, or raises ValueError on, stay as they
        are.
    sentence : str
        The same in words, for the documentation.
    """

    name: str
    values: Mapping[str, str] | Callable[[str], str] | None = None
    sentence: str = ""

    def translate(self, value: Any) -> Any:
        """Return what the hyperparameter itself is to be set to."""
        text = values.unwrap(value)
        if callable(self.values):
            try:
                return self.values(text)
            except ValueError:
                return value
        return (self.values or {}).get(str(text).lower(), value)


class Hyperparameters(BaseModel):
    """What every algorithm's class of hyperparameters has in common."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    recipes: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """By the name of a recipe, the defaults in which it differs from the fields' own."""

    aliases: ClassVar[Mapping[str, Alias]] = {}
    """Other names that a job may use."""

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Self:
        """Return the hyperparameters of a job.

        Names that begin with ``_`` or ``sagemaker_`` are the platform's and are passed over. A value of null or "None"
        is none: what some clients send for what was not set.

        Parameters
        ----------
        given : mapping of str to str
            As in hyperparameters.json; JSON numbers and booleans are accepted in place of strings.

        Raises
        ------
        CustomerError
            One or more are unknown, missing or out of range. The text lists them all.
        """
        own = {
            name: value
            for name, value in given.items()
            if not name.startswith(_IGNORED_PREFIXES) and values.unwrap(value) not in (None, "None")
        }
        own, mistakes = _rename(own, cls.aliases)
        mistakes += [_unknown(name, cls) for name in own if name not in cls.model_fields]
        known = {name: value for name, value in own.items() if name in cls.model_fields}
        recipe = str(values.unwrap(known.get("recipe", ""))).lower()
        try:
            parsed = cls.model_validate({**cls.recipes.get(recipe, {}), **known})
        except ValidationError as error:
            mistakes += _mistakes(error, cls, known)
        else:
            mistakes += parsed.contradictions()
        if mistakes:
            raise CustomerError(
                "; ".join(mistakes),
                where="hyperparameters" if len(mistakes) > 1 else "hyperparameter",
                todo="correct the hyperparameters of the job; docs/hyperparameters.md lists them all",
            )
        return parsed

    def resolve(self, corpus: CorpusSize, hosts: int = 1) -> Self:
        """Return these hyperparameters with every ``auto`` that depends on the corpus and hosts replaced."""
        return self

    def contradictions(self) -> list[str]:
        """Return a sentence for each pair of values that exclude each other."""
        return []

    @classmethod
    def describe(cls) -> Iterator[Description]:
        """Yield every hyperparameter's description, in the order of declaration."""
        for name, info in cls.model_fields.items():
            yield Description(name, info)


@dataclass(frozen=True)
class Description:
    """What can be said of one hyperparameter: read by error texts, documentation and tests."""

    name: str
    info: FieldInfo

    @property
    def required(self) -> bool:
        """Whether a job must set it."""
        return self.info.is_required()

    @property
    def default(self) -> str:
        """The default as a user would write it; empty when there is none."""
        return "" if self.info.default is PydanticUndefined else spell(self.info.default)

    @property
    def sentence(self) -> str:
        """What it does."""
        return self.info.description or ""

    @property
    def tunable(self) -> Tunable | None:
        """Over what range to tune it, if at all."""
        return next((item for item in self.info.metadata if isinstance(item, Tunable)), None)

    @property
    def automatic(self) -> bool:
        """Whether it may be left to be chosen once the corpus is known."""
        return self.info.annotation in (int | None, float | None)

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """The least and the greatest value allowed, None where there is no bound."""
        smallest = next((i.ge for i in self.info.metadata if isinstance(i, annotated_types.Ge)), None)
        largest = next((i.le for i in self.info.metadata if isinstance(i, annotated_types.Le)), None)
        return smallest, largest  # type: ignore[return-value]

    @property
    def choices(self) -> tuple[str, ...]:
        """The words allowed, if it is a choice."""
        annotation = self.info.annotation
        return get_args(annotation) if get_origin(annotation) is Literal else ()

    @property
    def kind(self) -> str:
        """``integer``, ``number``, ``boolean``, ``sizes`` or ``choice``."""
        if self.choices:
            return "choice"
        simple: dict[Any, str] = {
            int: "integer",
            int | None: "integer",
            float: "number",
            float | None: "number",
            bool: "boolean",
        }
        return simple.get(self.info.annotation, "sizes")

    @property
    def allowed(self) -> str:
        """The allowed values in words."""
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        if self.kind == "boolean":
            return "true or false"
        if self.kind == "sizes":
            return f"auto, wide, or integers from 1 to {LARGEST_LAYER} separated by commas"
        noun = "an integer" if self.kind == "integer" else "a number"
        other = (
            ", or auto" if self.automatic else ", or Inf" if self.kind == "number" and self.bounds[1] is None else ""
        )
        smallest, largest = self.bounds
        if smallest is None:
            return noun
        if largest is None:
            return f"{noun} of at least {spell(smallest)}{other}"
        return f"{noun} from {spell(smallest)} to {spell(largest)}{other}"


def spell(value: Any) -> str:
    """Return a value as a user would write it in hyperparameters.json."""
    if value is None:
        return "auto"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, float):
        return "Inf" if value == float("inf") else f"{value:g}"
    return str(value)


def _rename(given: Mapping[str, Any], aliases: Mapping[str, Alias]) -> tuple[dict[str, Any], list[str]]:
    """Return what was given under the hyperparameters' own names, and a sentence for each that was given twice."""
    own = {name: value for name, value in given.items() if name not in aliases}
    called: dict[str, tuple[str, Any]] = {name: (name, value) for name, value in own.items()}
    mistakes = []
    for name in given.keys() & aliases.keys():
        alias = aliases[name]
        value = alias.translate(given[name])
        other, before = called.setdefault(alias.name, (name, value))
        if str(values.unwrap(before)) != str(values.unwrap(value)):
            mistakes.append(
                f"{name} is another name of {alias.name}, and {other} = {shorten(before)} says something else than "
                f"{name} = {shorten(given[name])}"
            )
        own.setdefault(alias.name, value)
    return own, mistakes


def _unknown(name: str, declared: type[Hyperparameters]) -> str:
    near = difflib.get_close_matches(name, declared.model_fields, n=1)
    return f"{name} is not a hyperparameter" + (f" (did you mean {near[0]}?)" if near else "")


def _mistakes(error: ValidationError, declared: type[Hyperparameters], given: Mapping[str, Any]) -> list[str]:
    descriptions = {description.name: description for description in declared.describe()}
    names = dict.fromkeys(str(detail["loc"][0]) for detail in error.errors() if detail["loc"])
    texts = []
    for name in names:
        if name in given:
            texts.append(f"{name} must be {descriptions[name].allowed}, got {shorten(given[name])}")
        else:
            texts.append(f"{name} is missing and must be {descriptions[name].allowed}")
    return texts


def shorten(value: Any, length: int = 60) -> str:
    """Return a value in quotes, cut where it would drown the message around it."""
    text = repr(value)
    return text if len(text) <= length else text[: length - 4] + "..." + text[-1]
