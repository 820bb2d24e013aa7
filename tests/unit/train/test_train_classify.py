"""Several labels, pairs, weights, smoothing, R-Drop and noise, each against its formula in plain torch."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from test_train_oracles import agree, ours, ready
from test_train_resume import BrokenError, breaking
from torch import Tensor
from trainings import LABELS, Training, content, make_rows
from transformers import AutoModelForSequenceClassification, LlamaConfig, LlamaForCausalLM

from luthier.errors import UserError
from luthier.models.chat import load_wording
from luthier.models.classify import padded_logits, seconds_of
from luthier.models.forward import packed_states, pad_rows, padded_states
from luthier.models.noise import EmbeddingNoise
from luthier.records import Worded
from luthier.train.losses.classify import ClassifyLoss, Terms, class_weights, difference, judge

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks by an old name
Making = Callable[..., Training]
LABELS_OF_ROWS = ((0, 1), (), (1,), (0,), (0, 1), (), (1,), (0,))


def several(rows: list[Worded]) -> list[Worded]:
    """The same texts with none to all of the labels."""
    return [replace(row, labels=LABELS_OF_ROWS[place % 8], score=1.0) for place, row in enumerate(rows)]


def random_logits(rows: int = 8) -> Tensor:
    return torch.randn(rows, len(LABELS), generator=torch.Generator().manual_seed(0))


def label_rows(count: int = 8) -> list[Worded]:
    return [Worded(f"{place}", "g", "a:1", (1, 2), (False,) * 2, (place % 2,)) for place in range(count)]


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 1.5])])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_one_label_is_judged_as_by_torch(weights: Tensor | None, smoothing: float) -> None:
    logits, rows = random_logits(), label_rows()
    expected = torch.nn.CrossEntropyLoss(weight=weights, label_smoothing=smoothing, reduction="sum")(
        logits, torch.tensor([row.labels[0] for row in rows])
    )
    assert float(judge(logits, rows, Terms(weights, smoothing)).sum()) == pytest.approx(float(expected), rel=1e-6)


def test_several_labels_are_judged_as_by_transformers(make_training: Making, tmp_path: Path) -> None:
    """Loss and gradient of its `multi_label_classification`, on a decoder: the mean over texts and labels."""
    training = make_training("classify", kind="llama")
    setup = ready(training, adapter={"rank": 2, "dropout": 0.0}, share_prefixes="off")
    wording = load_wording(training.base.folder)
    rows = several(make_rows(wording, "classify", 9))
    tuned = tmp_path / "tuned"
    tuned.mkdir()
    setup.method.save(tuned)
    from peft import PeftModel

    settings: dict[str, Any] = {"num_labels": 2, "pad_token_id": wording.pad_id, "attn_implementation": "eager"}
    model = AutoModelForSequenceClassification.from_pretrained(
        training.base.folder, problem_type="multi_label_classification", **settings
    )
    model = PeftModel.from_pretrained(model, str(tuned), is_trainable=True).eval()
    ids, mask = pad_rows([row.ids for row in rows], pad_id=wording.pad_id)
    aims = torch.tensor([[float(label in row.labels) for label in range(2)] for row in rows])
    loss = model(input_ids=ids, attention_mask=mask, labels=aims).loss
    loss.backward()
    slopes = {
        name.replace(".modules_to_save.default", "").replace(".default.", "."): weight.grad
        for name, weight in model.named_parameters()
        if weight.grad is not None
    }
    agree(ours(setup, rows), (float(loss.detach()), slopes))


def test_pairs_are_told_apart_as_the_tokenizer_does(make_training: Making) -> None:
    """Stream and padded give what the encoder says under its own token types, and something else without them."""
    training = make_training("classify", kind="pieces")
    setup = ready(training)
    wording, model = load_wording(training.base.folder), setup.loaded.model.eval()
    told = [wording.pair_ids("is it so", "yes it is"), wording.pair_ids("why", "because of all that")]
    rows = [Worded("a", "g", "a:1", pair.ids, (False,) * len(pair.ids), (0,), ends=pair.ends) for pair in told]
    rows.append(label_rows(1)[0])
    expected = []
    for row, texts in zip(rows, [("is it so", "yes it is"), ("why", "because of all that"), None], strict=True):
        types = [0, 0] if texts is None else wording.tokenizer.encode(*texts).type_ids
        states = model.encoder(input_ids=torch.tensor([row.ids]), token_type_ids=torch.tensor([types]))
        expected.append(model.classifier(states.last_hidden_state.mean(dim=1))[0])
    bare = [row.ids for row in rows]
    for logits in (setup.learner.loss.logits, partial(padded_logits, pad_id=wording.pad_id)):
        torch.testing.assert_close(logits(model, bare, seconds_of(rows)), torch.stack(expected), rtol=1e-5, atol=1e-6)
        assert not torch.allclose(logits(model, bare), torch.stack(expected), rtol=1e-4)


def test_r_drop_is_half_of_its_equation() -> None:
    """Liang et al. 2021, equation 4: -log P1 - log P2 + alpha / 2 [KL(P1 || P2) + KL(P2 || P1)]."""
    one, other, rows = random_logits(8), random_logits(16)[8:], label_rows()
    passes = iter([torch.cat([one, other])])
    loss = ClassifyLoss(lambda *_rows: next(passes), Terms(r_drop=3.0))
    found = loss.sum(None, rows, reminder=None).nats
    aims = torch.tensor([row.labels[0] for row in rows])
    kl = partial(F.kl_div, reduction="sum", log_target=True)
    logs = one.log_softmax(dim=-1), other.log_softmax(dim=-1)
    apart = (kl(logs[1], logs[0]) + kl(logs[0], logs[1])) / 2
    whole = F.nll_loss(logs[0], aims, reduction="sum") + F.nll_loss(logs[1], aims, reduction="sum") + 3.0 * apart
    assert float(found) == pytest.approx(float(whole) / 2, rel=1e-5)
    yes = torch.stack([one, torch.zeros_like(one)], dim=-1), torch.stack([other, torch.zeros_like(other)], dim=-1)
    each = torch.stack([difference(*(logits[:, label] for logits in yes), several=False) for label in range(2)])
    torch.testing.assert_close(difference(one, other, several=True), each.mean(dim=0), rtol=1e-5, atol=1e-7)


def test_weights_follow_counts() -> None:
    weights, why = class_weights([300, 100, 3], wish="auto")
    assert weights is not None
    assert float((weights * torch.tensor([300.0, 100.0, 3.0])).sum()) == pytest.approx(403, rel=1e-6)
    assert float(weights[1] / weights[0]) == pytest.approx(3.0)
    assert why == "balanced: the most frequent label has 300 rows, the rarest 3"
    assert class_weights([300, 100, 4], wish="auto") == (
        None,
        "none: the most frequent label has 300 rows, the rarest 4",
    )
    assert class_weights([300, 1], wish="none")[0] is None
    assert class_weights([2, 1], wish="balanced")[0] is not None


def noisy(forward: Any, model: Any, rows: list[list[int]], quiet: list[list[int]], *, alpha: float) -> Tensor:
    """What noise does to the vectors of tokens, row by row."""
    seen: list[Tensor] = []
    noise = EmbeddingNoise(model, alpha=alpha)
    hook = model.get_input_embeddings().register_forward_hook(lambda _module, _ids, out: seen.append(out))
    with noise.over([len(row) for row in rows], [len(row) for row in quiet]), torch.no_grad():
        forward(model, [*rows, *quiet])
    with torch.no_grad():
        forward(model, [*rows, *quiet])
    hook.remove()
    return seen[0] - seen[1]


@pytest.mark.parametrize("forward", [packed_states, padded_states])
def test_noise_has_the_size_of_its_paper(forward: Any) -> None:
    """Uniform in +-alpha / sqrt(L E) for a row of L tokens, and nothing on rows that are to be left alone."""
    size = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=50, num_key_value_heads=2, **size))
    rows = [list(range(1, 41)), list(range(1, 11))]
    found = noisy(forward, model, rows, [list(range(1, 21))], alpha=5.0).flatten(0, -2)
    if forward is padded_states:
        parts = [found[:40], found[40:50], found[80:100]]
    else:
        parts = [found[:40], found[40:50], found[50:]]
    for part, row in zip(parts, rows, strict=False):
        most = 5.0 / (len(row) * 32) ** 0.5
        assert 0.95 * most < float(part.abs().max()) <= most * 1.0001
        assert float(part.abs().mean()) == pytest.approx(most / 2, rel=0.1)
    assert float(parts[2].abs().max()) == 0.0


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("bert", {"r_drop": 1.0, "label_smoothing": 0.1, "class_weights": "balanced"}),
        ("llama", {"neftune": 5.0, "label_smoothing": 0.1}),
    ],
)
def test_a_broken_run_ends_as_an_unbroken_one(make_training: Making, kind: str, settings: dict[str, Any]) -> None:
    training = make_training("classify", kind=kind, batch_tokens=80, **settings)
    whole = training.run("whole")
    with pytest.raises(BrokenError):
        training.run("broken", listener=breaking(3))
    assert content(training.run("broken")) == content(whole)


def test_noise_for_what_a_decoder_writes_is_resumed_too(make_training: Making) -> None:
    training = make_training("chat", neftune=5.0)
    whole = training.run("whole")
    with pytest.raises(BrokenError):
        training.run("broken", listener=breaking(2))
    assert content(training.run("broken")) == content(whole)
    assert content(Training(training.home, training.base, training.dataset).run("quiet")) != content(whole)


def test_options_that_do_nothing_are_refused(make_training: Making) -> None:
    with pytest.raises(UserError, match=r"train\.neftune .* classify on an encoder"):
        ready(make_training("classify", kind="bert", neftune=5.0))
