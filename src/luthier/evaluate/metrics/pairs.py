"""What it means that a model prefers one of two answers."""

PREFERENCES = frozenset({"win_rate", "pair_accuracy"})
"""Metrics of which answer is preferred."""
WORDS = {1.0: "prefers the better", 0.5: "prefers neither", 0.0: "prefers the worse"}


def chosen_share(lead: float) -> float:
    """1 if the better answer leads, 0.5 at a tie, else 0."""
    return 1.0 if lead > 0 else 0.5 if lead == 0 else 0.0


def choice_words(lead: float, *, unit: str | None = "nats") -> str:
    """Which answer is preferred, and by how much."""
    words = WORDS[chosen_share(lead)]
    return f"{words}, by {abs(lead):.3g} {unit}" if lead and unit else words


def says(text: str, score: float) -> bool:
    """Whether the words of `choice_words` are those of this score."""
    return score in WORDS and text.startswith(WORDS[score])
