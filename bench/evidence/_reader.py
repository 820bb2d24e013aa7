"""A small model that reads: two layers over bytes, taught on general text of validation, in seconds."""

# B documents, L bytes

from collections.abc import Sequence
from importlib.resources import files

import orjson
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from luthier.artifacts.canonical import hash_order
from luthier.prepare.general.text import EXAMINED

WIDTH, BYTES, BATCH, RATE = 96, 256, 32, 3e-3


def general_documents() -> tuple[list[str], list[str]]:
    """Texts of GEN-TEST and of GEN-VAL, as prepare divides them."""
    lines = files("luthier.prepare.general").joinpath("wordnet.jsonl").read_bytes().splitlines()
    rows = sorted((orjson.loads(line) for line in lines), key=lambda row: hash_order(row["id"]))
    texts = [str(row["text"]) for row in rows]
    return texts[:EXAMINED], texts[EXAMINED:]


def new_reader(seed: int) -> LlamaForCausalLM:
    """A model that knows nothing."""
    torch.manual_seed(seed)
    shape = {"hidden_size": WIDTH, "intermediate_size": 3 * WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4}
    return LlamaForCausalLM(LlamaConfig(vocab_size=BYTES, max_position_embeddings=512, **shape)).eval()


def teach(
    reader: LlamaForCausalLM, texts: Sequence[str], *, steps: int, seed: int, rate: float = RATE, batch: int = BATCH
) -> None:
    """Learn from batches of whole documents, drawn with a seed."""
    dice = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(reader.parameters(), lr=rate)
    reader.train()
    for _ in range(steps):
        chosen = torch.randint(len(texts), (min(batch, len(texts)),), generator=dice).tolist()
        loss = _nats(reader, [texts[place] for place in chosen]).sum() / sum(len(texts[place]) for place in chosen)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    reader.eval()


@torch.no_grad()
def read(reader: LlamaForCausalLM, texts: Sequence[str]) -> list[float]:
    """Nats of each document."""
    parts = [_nats(reader, texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
    return [float(value) for value in torch.cat(parts).double()]


def _nats(reader: LlamaForCausalLM, texts: Sequence[str]) -> Tensor:
    """[B], behind a start byte."""
    longest = max(len(text.encode()) for text in texts)
    ids = torch.full((len(texts), longest + 1), -100)
    for place, text in enumerate(texts):
        ids[place, : len(text.encode()) + 1] = torch.tensor([0, *text.encode()])
    logits = reader(input_ids=ids[:, :-1].clamp(min=0)).logits.float()
    losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none", ignore_index=-100)
    return losses.sum(dim=1)
