"""One epoch of TRL's SFTTrainer on tokenized rows; runs in TRL's own environment, imports nothing of ours.

    python _trl_sft_loop.py FOLDER

FOLDER holds `asked.json`: rows, base, seed, rate, rows of a step. Leaves the adapter in FOLDER/trl.
"""

import json
import sys
import tempfile
import warnings
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM
from trl import SFTConfig, SFTTrainer


def main():
    """Train on every row once, in float32: the best that it does."""
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    asked = json.loads((folder / "asked.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as scratch:
        config = SFTConfig(
            output_dir=scratch,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            num_train_epochs=1,
            per_device_train_batch_size=asked["together"],
            learning_rate=asked["rate"],
            lr_scheduler_type="cosine",
            warmup_steps=round(0.05 * -(-len(asked["rows"]) // asked["together"])),
            weight_decay=0.01,
            max_grad_norm=1.0,
            max_length=None,
            seed=asked["seed"],
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        )
        trainer = SFTTrainer(
            model=AutoModelForCausalLM.from_pretrained(asked["base"], dtype=torch.float32),
            args=config,
            train_dataset=Dataset.from_list(asked["rows"]),
            peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
        )
        trainer.train()
        trainer.save_model(str(folder / "trl"))


if __name__ == "__main__":
    main()
