"""Loss and gradient of one batch by the token-classification or question-answering model of `transformers`.

    python _hf_token_loss.py FOLDER

FOLDER holds `case.json` (goal, method, base, labels, rows) and `tuned`, the adapter or the model before its first step;
the gradients are left there. The question-answering loss counts padding among the places where an answer may be, so its
rows stand alone. `peft`'s wrapper drops `token_type_ids`, so the model inside is asked.
"""

import json
import sys
import warnings
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import save_file
from transformers import AutoModelForQuestionAnswering, AutoModelForTokenClassification


def main():
    """Compute, keep, and print the loss."""
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    kind = AutoModelForTokenClassification if case["goal"] == "tag" else AutoModelForQuestionAnswering
    extra = {"num_labels": case["labels"]} if case["goal"] == "tag" else {}
    adapted = case["method"] == "lora"
    source = case["base"] if adapted else folder / "tuned"
    model = kind.from_pretrained(source, dtype=torch.float32, **extra)
    model = PeftModel.from_pretrained(model, folder / "tuned", is_trainable=True) if adapted else model
    plain = (model.get_base_model() if adapted else model).eval()
    loss = (tagged if case["goal"] == "tag" else answered)(plain, case["rows"])
    loss.backward()
    found = {}
    for name, weight in model.named_parameters():
        if weight.grad is not None:
            found[name.replace(".modules_to_save.default", "").replace(".default.", ".")] = weight.grad.contiguous()
    save_file(found, folder / "transformers.safetensors")
    print(float(loss))


def tagged(model, rows):
    longest = max(len(row["ids"]) for row in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for place, row in enumerate(rows):
        size = len(row["ids"])
        ids[place, :size], mask[place, :size] = torch.tensor(row["ids"]), 1
        labels[place, :size][torch.tensor(row["trained"])] = torch.tensor(row["labels"])
    return model(input_ids=ids, attention_mask=mask, labels=labels).loss


def answered(model, rows):
    losses = []
    for row in rows:
        types = [int(place >= row["ends"][0]) for place in range(len(row["ids"]))]
        start, end = torch.tensor(row["labels"]).split(1)
        given = {"input_ids": torch.tensor([row["ids"]]), "token_type_ids": torch.tensor([types])}
        losses.append(model(**given, start_positions=start, end_positions=end).loss)
    return torch.stack(losses).mean()


if __name__ == "__main__":
    main()
