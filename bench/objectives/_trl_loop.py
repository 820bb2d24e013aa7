"""One epoch of TRL's trainer of conversations or of preferences on tokenized rows, in float32: the best that it does.

    python _trl_loop.py FOLDER

Runs in TRL's own environment, imports nothing of ours. FOLDER holds `asked.json`: rows, base, seed, rate, rows of a
step, and for preferences beta. Leaves the adapter in FOLDER/trl.
"""

import json
import sys
import tempfile
import warnings
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer


class Ready(DPOTrainer):
    """A trainer of preferences whose rows are tokenized already."""

    def _prepare_dataset(self, dataset, *others, **more):
        return dataset


def main():
    """Train on every row once."""
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    asked = json.loads((folder / "asked.json").read_text(encoding="utf-8"))
    steps = -(-len(asked["rows"]) // asked["together"])
    prefers = "beta" in asked
    with tempfile.TemporaryDirectory() as scratch:
        config = (DPOConfig if prefers else SFTConfig)(
            output_dir=scratch,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            num_train_epochs=1,
            per_device_train_batch_size=asked["together"],
            learning_rate=asked["rate"],
            lr_scheduler_type="cosine",
            warmup_steps=round(0.05 * steps),
            weight_decay=0.01,
            max_grad_norm=1.0,
            max_length=None,
            seed=asked["seed"],
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            **({"beta": asked["beta"]} if prefers else {}),
        )
        trainer = (Ready if prefers else SFTTrainer)(
            model=AutoModelForCausalLM.from_pretrained(asked["base"], dtype=torch.float32),
            args=config,
            train_dataset=Dataset.from_list(asked["rows"]),
            processing_class=AutoTokenizer.from_pretrained(asked["base"]),
            peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
        )
        trainer.train()
        trainer.save_model(str(folder / "trl"))


if __name__ == "__main__":
    main()
