"""Text sampled from a model as it is."""

import pytest
import torch
from tiny_models import eager, random_rows, tiny_model

from luthier.models.sampling import sample

PROMPTS = random_rows([1, 7, 3, 12])


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma3_text", "bloom"])
def test_rows_of_unequal_length_are_continued_as_each_alone(kind: str) -> None:
    """With wide weights few tokens are likely, and a model that is asked wrongly hardly ever meets them."""
    model = tiny_model(kind, initializer_range=1.0)
    written = sample(model, PROMPTS, length=6, seed=0, pad_id=2)
    model.eval()
    agreed = 0
    for prompt, row in zip(PROMPTS, written, strict=True):
        assert (tuple(row[: len(prompt)]), len(row)) == (prompt, len(prompt) + 6)
        for place in range(len(prompt), len(row)):
            with eager(model), torch.no_grad():
                chances = model(input_ids=torch.tensor([row[:place]]), use_cache=False).logits[0, -1].softmax(-1)
            agreed += bool(chances[row[place]] > 1e-3)
    assert agreed == 6 * len(PROMPTS)


def test_a_seed_decides_every_row() -> None:
    first, again, other = (sample(tiny_model("llama"), PROMPTS, length=10, seed=seed, pad_id=2) for seed in (0, 0, 1))
    assert first == again
    assert all(one != two for one, two in zip(first, other, strict=True))
    tiny_model("llama").eval()


def test_tokens_are_drawn_at_their_probabilities() -> None:
    model = tiny_model("llama")
    rows = sample(model, [PROMPTS[1]] * 2000, length=1, seed=0, pad_id=2)
    with torch.no_grad():
        chances = model.eval()(input_ids=torch.tensor([PROMPTS[1]])).logits[0, -1].softmax(-1)
    counts = torch.bincount(torch.tensor([row[-1] for row in rows]), minlength=len(chances))
    expected = chances * 2000
    likely = expected >= 5
    statistic = float(((counts[likely] - expected[likely]) ** 2 / expected[likely]).sum())
    freedom = int(likely.sum())
    assert statistic < freedom + 4 * (2 * freedom) ** 0.5
