import numpy as np

from demo.words import Vocabulary, tokenize


def test_names_are_taken_apart() -> None:
    assert tokenize("csr_matrix KeyError HTTPServer") == ["csr", "matrix", "key", "error", "http", "server"]


def test_code_markup_and_addresses_are_no_words() -> None:
    text = "Boats sail.\n>>> sink(boat)\n... twice\n.. note:: hidden\n\\alpha https://sea.example/fish :class:`Anchor`"
    assert tokenize(text) == ["boats", "sail", "anchor"]


def test_words_of_all_docstrings_are_left_out_in_singular_and_plural() -> None:
    assert tokenize("Parameters: parameter, returns the default values of an array of boats") == ["boats"]


def test_rare_words_and_words_of_most_documents_are_left_out() -> None:
    documents = [["sea", "boat"], ["sea", "boat"], ["sea", "fish"], ["sea"]]
    assert Vocabulary.learn(documents, least=2, largest_share=0.5, size=10).words == ("boat",)


def test_a_vocabulary_keeps_the_words_of_most_documents() -> None:
    documents = [["boat", "fish"], ["boat", "anchor"], ["boat", "fish"]]
    assert Vocabulary.learn(documents, least=1, largest_share=1.0, size=2).words == ("boat", "fish")


def test_plurals_are_counted_as_their_singular() -> None:
    documents = [["boats", "boat", "matrices"], ["matrix", "class", "boats"]]
    vocabulary = Vocabulary.learn(documents, least=1, largest_share=1.0, size=10)
    assert vocabulary.words == ("boat", "class", "matrix")
    counts = vocabulary.count(documents)
    np.testing.assert_array_equal(counts.toarray(), [[2, 0, 1], [1, 1, 1]])
    assert counts.dtype == np.float32


def test_words_outside_the_vocabulary_are_not_counted() -> None:
    vocabulary = Vocabulary(("boat",), {})
    np.testing.assert_array_equal(vocabulary.count([["fish"], ["fish", "boat"]]).toarray(), [[0], [1]])
