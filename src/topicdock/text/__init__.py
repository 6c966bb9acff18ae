"""From text to word counts, by rules that a model carries: training and serving cut texts into the same words."""

from topicdock.text.counting import WordPlaces, count_texts
from topicdock.text.rules import TextRules
from topicdock.text.tokenizer import Tokenizer

__all__ = ["TextRules", "Tokenizer", "WordPlaces", "count_texts"]
