"""Loss and gradient of one batch by a loss of sentence-transformers; runs in the peers' environment.

    python _sentence_loss.py FOLDER

FOLDER holds `case.json` (kind, method, base, columns of ids, scores) and `tuned`, the adapter or the model before its
first step; the gradients are left there. `peft` puts its layers into the model itself, so the model inside is asked.
"""

import json
import sys
import warnings
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import losses
from transformers import AutoModel

CUT = 3
"""Rows that the cached loss computes at once."""


def main():
    """Compute, keep, and print the loss."""
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    adapted = case["method"] == "lora"
    inner = AutoModel.from_pretrained(case["base"] if adapted else folder / "tuned", dtype=torch.float32)
    whole = PeftModel.from_pretrained(inner, folder / "tuned", is_trainable=True) if adapted else inner
    model = SentenceTransformer(case["base"], device="cpu").eval()
    model[0].model = inner.eval()
    loss = {
        "pairs": lambda: losses.MultipleNegativesRankingLoss(model),
        "triplets": lambda: losses.MultipleNegativesRankingLoss(model),
        "pairs, cached": lambda: losses.CachedMultipleNegativesRankingLoss(model, mini_batch_size=CUT),
        "scored pairs": lambda: losses.CoSENTLoss(model),
    }[case["kind"]]()
    value = loss([padded(column) for column in case["columns"]], torch.tensor(case["scores"]))
    value.backward()
    found = {}
    for name, weight in whole.named_parameters():
        if weight.grad is not None:
            found[name.replace(".default.", ".")] = weight.grad.contiguous()
    save_file(found, folder / "peer.safetensors")
    print(float(value))


def padded(texts):
    longest = max(map(len, texts))
    ids = torch.zeros(len(texts), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for place, text in enumerate(texts):
        ids[place, : len(text)], mask[place, : len(text)] = torch.tensor(text), 1
    return {"input_ids": ids, "attention_mask": mask}


if __name__ == "__main__":
    main()
