"""The `transformers` Trainer on tokenized, labelled rows, step by step; runs in the peers' environment and imports
nothing of ours but the gate.

    python _hf_classify.py ROWS BASE LABELS EPOCHS SEED lora|full SETTING RATE

Ends with the labels that the trained model gives to the rows that are asked.
"""

import importlib.metadata as metadata
import json
import sys
import tempfile
from pathlib import Path

import torch
from _gate import Gate
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

SETTINGS = {
    "defaults": {},
    "autocast": {"bf16": True},
    "like lengths, autocast": {"bf16": True, "train_sampling_strategy": "group_by_length"},
    "like lengths, pure bfloat16": {"train_sampling_strategy": "group_by_length"},
}
"""Besides 64 rows a step, which is asked of everybody."""
ROWS_A_STEP = 64


class Stepwise(TrainerCallback):
    """Waits at the gate before each optimizer step."""

    def __init__(self, gate):
        self.gate = gate

    def on_step_begin(self, args, state, control, **others):
        self.gate.wait()

    def on_step_end(self, args, state, control, **others):
        self.gate.done(tokens=self.counted.real[-1], cells=self.counted.cells[-1])


class Counted(Trainer):
    """Trainer that notes how many tokens each step had, without and with padding."""

    real, cells = [], []

    def training_step(self, model, inputs, *others, **more):
        self.cells.append(inputs["input_ids"].numel())
        self.real.append(int(inputs["attention_mask"].sum()))
        return super().training_step(model, inputs, *others, **more)


def main():
    """Train on every row EPOCHS times, then answer."""
    gate = Gate()
    file, base, labels, epochs, seed, method, setting, rate = sys.argv[1:]
    told = json.loads(Path(file).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            use_cpu=True,  # its defaults refuse a machine without a GPU
            per_device_train_batch_size=ROWS_A_STEP,
            per_device_eval_batch_size=ROWS_A_STEP,
            num_train_epochs=int(epochs),
            learning_rate=float(rate),
            lr_scheduler_type="cosine",
            warmup_steps=0.05,  # below 1 it is a share of all steps
            weight_decay=0.01,
            max_grad_norm=1.0,
            seed=int(seed),
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            **SETTINGS[setting],
        )
        clock = Stepwise(gate)
        trainer = clock.counted = Counted(
            model=make_model(base, int(labels), method, pure="pure" in setting),
            args=arguments,
            train_dataset=dataset(told["train"]),
            data_collator=DataCollatorWithPadding(AutoTokenizer.from_pretrained(base)),
            callbacks=[clock],
        )
        steps = int(epochs) * len(trainer.get_train_dataloader())
        gate.ready(steps=steps, setting=setting, threads=torch.get_num_threads(), **describe(trainer))
        trainer.train()
        # Predicted in float32 whatever it learnt in, as ours is served.
        found = answers(trainer.model.float().eval(), told["asked"])
    gate.end(labels=found)


def make_model(base, labels, method, *, pure):
    """The base with the library's own head; `pure`: no weight in float32."""
    dtype = torch.bfloat16 if pure else torch.float32
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=labels, dtype=dtype)
    if method == "full":
        return model
    adapter = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="SEQ_CLS")
    return get_peft_model(model, adapter, autocast_adapter_dtype=not pure)


def dataset(rows):
    """Rows of ids and labels."""
    ids = [row["ids"] for row in rows]
    masks = [[1] * len(each) for each in ids]
    return Dataset.from_dict({"input_ids": ids, "attention_mask": masks, "labels": [row["label"] for row in rows]})


@torch.no_grad()
def answers(model, rows):
    """Labels, row by row."""
    return [int(model(input_ids=torch.tensor([row["ids"]])).logits.argmax()) for row in rows]


def describe(trainer):
    """What its settings came to."""
    weights = [value for _, value in trainer.model.named_parameters()]
    versions = {name: metadata.version(name) for name in ("transformers", "torch", "peft", "accelerate")}
    return {
        "device": str(trainer.args.device),
        "autocast": bool(trainer.args.bf16),
        "learning_rate": trainer.args.learning_rate,
        "frozen_dtype": str(next((each.dtype for each in weights if not each.requires_grad), None)),
        "trained_dtype": str(next(each.dtype for each in weights if each.requires_grad)),
        "trained": sum(each.numel() for each in weights if each.requires_grad),
        "attention": trainer.model.config._attn_implementation,
        "versions": versions,
    }


if __name__ == "__main__":
    main()
