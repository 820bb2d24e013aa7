"""The `transformers` Trainer on tokenized sentences; runs in the peers' environment and imports nothing of ours.

    python _hf_tag.py ROWS BASE SEED RATE EPOCHS

Every weight is trained, as the Trainer does by default, with its usual linear schedule; prints the label of every word
of the exam's sentences.
"""

import importlib.metadata as metadata
import json
import sys
import tempfile
import time
import warnings
from pathlib import Path

import torch
from datasets import Dataset
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    Trainer,
    TrainingArguments,
)

ROWS_A_STEP = 16


def main():
    """Learn from all sentences that are not asked, then answer."""
    warnings.simplefilter("ignore")
    file, base, seed, rate, epochs = sys.argv[1:]
    told = json.loads(Path(file).read_text(encoding="utf-8"))
    names = told["labels"]
    torch.manual_seed(int(seed))
    model = AutoModelForTokenClassification.from_pretrained(base, num_labels=len(names), dtype=torch.float32)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            use_cpu=True,
            per_device_train_batch_size=ROWS_A_STEP,
            num_train_epochs=float(epochs),
            learning_rate=float(rate),
            train_sampling_strategy="group_by_length",
            warmup_steps=0.05,  # below 1 it is a share of all steps
            weight_decay=0.01,
            seed=int(seed),
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        )
        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=dataset([*told["learn"], *told["validate"]]),
            data_collator=DataCollatorForTokenClassification(AutoTokenizer.from_pretrained(base)),
        )
        started = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - started
    model.eval()
    versions = {name: metadata.version(name) for name in ("transformers", "torch", "accelerate")}
    print(json.dumps({"seconds": seconds, "labels": answers(model, told["ask"]), "versions": versions}))


def dataset(rows):
    """Ids with a label at the first sub-word of every word."""
    ids = [row["ids"] for row in rows]
    labels = []
    for row in rows:
        words = iter(row["labels"])
        labels.append([next(words) if first else -100 for first in row["first"]])
    return Dataset.from_dict({"input_ids": ids, "attention_mask": [[1] * len(each) for each in ids], "labels": labels})


@torch.no_grad()
def answers(model, rows):
    """The most probable label of every word."""
    found = []
    for row in rows:
        logits = model(input_ids=torch.tensor([row["ids"]])).logits[0]
        found.append(logits[torch.tensor(row["first"])].argmax(dim=1).tolist())
    return found


if __name__ == "__main__":
    main()
