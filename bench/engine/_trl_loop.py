"""One round of TRL's SFTTrainer on rows in a file; runs in TRL's own environment and imports nothing of ours.

    python _trl_loop.py ROWS BASE_FOLDER STEPS SEED defaults|best

Prints one JSON object. Loading, tokenising and the first step are not timed; padding does not count as tokens.
"""

import importlib.metadata as metadata
import json
import sys
import tempfile
import time
from pathlib import Path

from datasets import Dataset
from peft import LoraConfig
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer

SETTINGS = {
    "defaults": {},
    "best": {
        "per_device_train_batch_size": 2,
        "packing": True,
        "gradient_checkpointing": False,
        "model_init_kwargs": {"dtype": "bfloat16"},
    },
}


class Clock(TrainerCallback):
    """Notes when each optimizer step ended."""

    def __init__(self):
        self.ends = []

    def on_step_end(self, args, state, control, **others):
        self.ends.append(time.perf_counter())


class Counted(SFTTrainer):
    """SFTTrainer that notes how many tokens each step had, without and with padding."""

    real, cells = [], []

    def training_step(self, model, inputs, *others, **more):
        cells = inputs["input_ids"].numel()
        mask = inputs.get("attention_mask")
        self.cells.append(cells)
        self.real.append(cells if mask is None else int(mask.sum()))
        return super().training_step(model, inputs, *others, **more)


def main():
    file, base, steps, seed, setting = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    rows = [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            output_dir=folder,
            use_cpu=True,  # its defaults refuse a machine without a GPU
            max_steps=steps + 1,
            seed=seed,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            **SETTINGS[setting],
        )
        trainer = Counted(
            model=base,
            args=config,
            train_dataset=Dataset.from_list(rows),
            peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
            callbacks=[clock],
        )
        trainer.train()
    assert len(trainer.real) == len(clock.ends) == steps + 1, "one micro-batch per step"
    found = {
        "tokens": sum(trainer.real[1:]),
        "seconds": clock.ends[-1] - clock.ends[0],
        "steps": steps,
        "padding": 1 - sum(trainer.real) / sum(trainer.cells),
        "device": str(trainer.args.device),
        "bf16": bool(config.bf16),
        "gradient_checkpointing": bool(config.gradient_checkpointing),
        "weights": str(next(trainer.model.base_model.parameters()).dtype),
        "versions": {name: metadata.version(name) for name in ("trl", "torch", "transformers", "peft", "accelerate")},
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
