"""The `transformers` Trainer on tokenized, labelled texts; runs in the peers' environment and imports nothing of ours.

    python _hf_classify.py ROWS BASE SEED RATE EPOCHS ROWS_A_STEP

Every weight is trained, as the Trainer does by default; prints what the model makes of each label, for the rows that
validate and those that are asked, in nats.
"""

import importlib.metadata as metadata
import json
import sys
import tempfile
import warnings
from pathlib import Path

import torch
from datasets import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)


def main():
    """Learn, then answer."""
    warnings.simplefilter("ignore")
    file, base, seed, rate, epochs, together = sys.argv[1:]
    told = json.loads(Path(file).read_text(encoding="utf-8"))
    torch.manual_seed(int(seed))
    count = len(told["labels"])
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=count, dtype=torch.float32)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            use_cpu=True,
            per_device_train_batch_size=int(together),
            num_train_epochs=float(epochs),
            learning_rate=float(rate),
            lr_scheduler_type="cosine",
            warmup_steps=0.05,  # below 1 it is a share of all steps
            weight_decay=0.01,
            max_grad_norm=1.0,
            train_sampling_strategy="group_by_length",
            seed=int(seed),
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        )
        collator = DataCollatorWithPadding(AutoTokenizer.from_pretrained(base))
        Trainer(model=model, args=arguments, train_dataset=dataset(told["learn"]), data_collator=collator).train()
    model.eval()
    versions = {name: metadata.version(name) for name in ("transformers", "torch", "accelerate")}
    found = {part: answers(model, told[part]) for part in ("validate", "ask")}
    print(json.dumps({**found, "versions": versions}))


def dataset(rows):
    """Rows of ids and labels."""
    ids = [row["ids"] for row in rows]
    masks = [[1] * len(each) for each in ids]
    return Dataset.from_dict({"input_ids": ids, "attention_mask": masks, "labels": [row["label"] for row in rows]})


@torch.no_grad()
def answers(model, rows):
    """Log-probability of every label of each row."""
    return [model(input_ids=torch.tensor([row["ids"]])).logits[0].log_softmax(dim=0).tolist() for row in rows]


if __name__ == "__main__":
    main()
