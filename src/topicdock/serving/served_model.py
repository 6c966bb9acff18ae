"""A model and what serving derives from it once: its topics' words, and the way its texts are counted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from topicdock.errors import CustomerError
from topicdock.model import TopicModel
from topicdock.text import TextRules, Tokenizer, WordPlaces, count_texts

if TYPE_CHECKING:
    from topicdock.serving.page import Page

TOPIC_WORDS = 10
"""Words that stand for a topic."""

FORGET = 1 << 22
"""Characters of text after which what a tokenizer remembers of words is forgotten; it would grow with every new one."""


class ServedModel:
    """A model in one process.

    Parameters
    ----------
    model : TopicModel
    """

    def __init__(self, model: TopicModel) -> None:
        self.model = model
        self._characters = 0

    @cached_property
    def topic_words(self) -> list[list[str]]:
        """The first words of each topic, best first; ids where the model has no vocabulary."""
        return [[self.model.word(int(word)) for word in row] for row in self.model.top_words(TOPIC_WORDS)]

    @cached_property
    def page(self) -> Page:
        """The page that shows the model to people."""
        # jinja2 and the report's figures are not needed by a service that nobody looks at.
        from topicdock.serving.page import render_page

        return render_page(self.model)

    def warm(self) -> None:
        """Work out what the first request would have to wait for."""
        if self.model.metadata.vocabulary is not None:
            self.count_texts([])

    def count_texts(self, texts: Sequence[str]) -> tuple[csr_matrix, NDArray[np.int64]]:
        """Count the words of texts, cut as those that the model was fitted to.

        Returns
        -------
        counts : csr_matrix, (D, V) float32
        unknown_words : (D,) int64
            How many words of each text are not in the vocabulary.

        Raises
        ------
        CustomerError
            The model has no vocabulary, or its texts were cut by a lemmatizer that is not installed here.
        """
        self._characters += sum(map(len, texts))
        if self._characters > FORGET:
            self._characters = 0
            self.__dict__.pop("_vocabulary", None)
        return count_texts(texts, *self._vocabulary)

    @cached_property
    def _vocabulary(self) -> tuple[WordPlaces, Tokenizer]:
        metadata = self.model.metadata
        if metadata.vocabulary is None:
            raise CustomerError(
                "the model has no vocabulary, so it cannot be asked with text",
                todo="send word counts; or train again with vocab.txt in the channel auxiliary, as topicdock prepare"
                " writes it",
            )
        rules = TextRules() if metadata.text_rules is None else TextRules.from_mapping(metadata.text_rules)
        return WordPlaces.of(metadata.vocabulary), Tokenizer(rules)
