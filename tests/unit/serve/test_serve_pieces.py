from collections.abc import Iterator

from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from luthier.serve.pieces import pieces

alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
TOKENIZER = Tokenizer(models.BPE(vocab={text: index for index, text in enumerate(alphabet)}, merges=[]))
TOKENIZER.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
TOKENIZER.decoder = decoders.ByteLevel()


def decode(ids: list[int]) -> str:
    return TOKENIZER.decode(list(ids))


def ids_of(text: str) -> list[int]:
    return TOKENIZER.encode(text).ids


@given(st.lists(st.integers(0, 255), max_size=40))
def test_joined_pieces_are_the_whole_text_for_any_bytes(ids: list[int]) -> None:
    parts = list(pieces(iter(ids), decode=decode, max_tokens=1000))
    assert "".join(part.text for part in parts) == decode(ids)
    assert parts[-1].tokens == len(ids)
    assert [part.finish for part in parts][:-1] == [None] * (len(parts) - 1)


@example("100", ["0", "100"])
@example("xab", ["b", "ab"])
@given(st.text(max_size=30), st.lists(st.text(min_size=1, max_size=4), max_size=3))
def test_text_ends_before_the_first_stop_string_and_never_shows_a_part_of_it(text: str, stop: list[str]) -> None:
    complete = [(text.find(end) + len(end), text.find(end)) for end in stop if end in text]
    expected = text[: min(complete)[1]] if complete else text
    parts = list(pieces(iter(ids_of(text)), decode=decode, max_tokens=1000, stop=stop))
    assert "".join(part.text for part in parts) == expected
    assert parts[-1].finish == "stop"


def test_no_piece_holds_half_a_character() -> None:
    parts = [part.text for part in pieces(iter(ids_of("aé🎻b")), decode=decode, max_tokens=1000)]
    assert parts == ["a", "é", "🎻", "b", ""]


def test_the_token_limit_is_told() -> None:
    assert list(pieces(iter(ids_of("abc")), decode=decode, max_tokens=3))[-1].finish == "length"


def test_a_stop_string_closes_the_source() -> None:
    closed = []

    def source() -> Iterator[int]:
        try:
            yield from ids_of("one two three")
        finally:
            closed.append(True)

    list(pieces(source(), decode=decode, max_tokens=1000, stop=[" two"]))
    assert closed == [True]
