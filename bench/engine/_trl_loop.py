"""TRL's SFTTrainer on tokenized rows, one epoch, step by step; runs in TRL's own environment, imports nothing of ours.

    python _trl_loop.py ROWS BASE_FOLDER OUT SEED SETTING LEARNING_RATE

`SETTING` is a name in `SETTINGS`, or `full`: the defaults without an adapter. All but the defaults take the learning
rate that is given. Padding does not count as tokens. Leaves the adapter, or the whole model, in OUT.
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
from transformers import AutoModelForCausalLM, TrainerCallback
from trl import SFTConfig, SFTTrainer

BF16 = {"gradient_checkpointing": False, "model_init_kwargs": {"dtype": "bfloat16"}}
LIKE_LENGTHS = {"train_sampling_strategy": "group_by_length"}
SETTINGS = {
    "defaults": {},
    "full": {},
    "packing": {**BF16, "per_device_train_batch_size": 2, "packing": True},
    "padding free": {**BF16, "padding_free": True, "max_length": None},
    "like lengths": {**BF16, **LIKE_LENGTHS},
    "like lengths, eager": {
        **BF16,
        **LIKE_LENGTHS,
        "model_init_kwargs": {"dtype": "bfloat16", "attn_implementation": "eager"},
    },
    "like lengths, float32": {"gradient_checkpointing": False, "bf16": False, **LIKE_LENGTHS},
    # Adapter in bfloat16 too: nothing is cast on the way.
    "like lengths, pure bfloat16": {"gradient_checkpointing": False, "bf16": False, **LIKE_LENGTHS},
    "like lengths, pure bfloat16, 16 rows": {
        "gradient_checkpointing": False,
        "bf16": False,
        "per_device_train_batch_size": 16,
        **LIKE_LENGTHS,
    },
}
LORA = {"r": 16, "lora_alpha": 32, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}


class Stepwise(TrainerCallback):
    """Takes a step when it may."""

    def __init__(self, gate):
        self.gate = gate
        self.trainer = None

    def on_step_begin(self, args, state, control, **others):
        self.gate.wait()

    def on_step_end(self, args, state, control, **others):
        self.gate.done(tokens=self.trainer.real[-1], cells=self.trainer.cells[-1], loss=self.trainer.losses[-1])


class Counted(SFTTrainer):
    """SFTTrainer that notes how many tokens each step had, without and with padding, and its loss."""

    real, cells, losses = [], [], []

    def training_step(self, model, inputs, *others, **more):
        self.cells.append(inputs["input_ids"].numel())
        mask = inputs.get("attention_mask")
        self.real.append(self.cells[-1] if mask is None else int(mask.sum()))
        loss = super().training_step(model, inputs, *others, **more)
        self.losses.append(float(loss))
        return loss


def main():
    """Train on every row once."""
    gate = Gate()
    file, base, out, seed, setting, rate = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(read(file), base, folder, int(seed), setting, float(rate))
        clock = Stepwise(gate)
        clock.trainer = trainer
        trainer.add_callback(clock)
        gate.ready(setting=setting, **describe(trainer))
        trainer.train()
    trainer.save_model(out)
    gate.end()


def read(file):
    """Rows of ids and labels; -100 carries no loss."""
    rows = []
    for line in Path(file).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        labels = [token if learnt else -100 for token, learnt in zip(row["ids"], row["trained"], strict=True)]
        rows.append({"input_ids": row["ids"], "labels": labels})
    return Dataset.from_list(rows)


def make_trainer(rows, base, folder, seed, setting, rate):
    config = SFTConfig(
        output_dir=folder,
        use_cpu=True,  # its defaults refuse a machine without a GPU
        num_train_epochs=1,
        seed=seed,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        **({} if setting == "defaults" else {"learning_rate": rate}),
        **SETTINGS[setting],
    )
    model, adapter = base, None if setting == "full" else LoraConfig(**LORA)
    if "pure" in setting:
        plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
        model, adapter = get_peft_model(plain, adapter, autocast_adapter_dtype=False), None
    return Counted(model=model, args=config, train_dataset=rows, peft_config=adapter)


def describe(trainer):
    config = trainer.args
    versions = {name: metadata.version(name) for name in ("trl", "torch", "transformers", "peft", "accelerate")}
    weights = [value for _, value in trainer.model.named_parameters()]
    return {
        "device": str(config.device),
        "threads": torch.get_num_threads(),
        "steps": len(trainer.get_train_dataloader()),
        "rows_a_step": config.per_device_train_batch_size,
        "autocast": bool(config.bf16),
        "gradient_checkpointing": bool(config.gradient_checkpointing),
        "frozen": sorted({str(each.dtype) for each in weights if not each.requires_grad}),
        "trained": sorted({str(each.dtype) for each in weights if each.requires_grad}),
        "attention": trainer.model.config._attn_implementation,
        "learning_rate": config.learning_rate,
        "versions": versions,
    }


if __name__ == "__main__":
    main()
