"""LitGPT's `finetune_lora` on tokenized rows, one epoch, step by step; runs in its own environment, imports nothing of
ours.

    python _litgpt_loop.py ROWS BASE_FOLDER OUT SEED PRECISION,ROWS_AT_ONCE LEARNING_RATE

The base is converted by LitGPT's own script. Leaves the base with the adapter merged in, as `transformers` names its
weights, in OUT/model.safetensors.
"""

import importlib.metadata as metadata
import json
import shutil
import sys
import tempfile
from pathlib import Path

import litgpt.finetune.lora as finetune
import torch
from _gate import Gate
from litgpt.args import EvalArgs, TrainArgs
from litgpt.data.base import DataModule, get_sft_collate_fn
from litgpt.lora import GPT, Config, lora_filter, merge_lora_weights
from litgpt.prompts import Default
from litgpt.scripts.convert_hf_checkpoint import convert_hf_checkpoint
from litgpt.scripts.convert_lit_checkpoint import copy_weights_llama
from safetensors.torch import save_file
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.data import DataLoader

MODEL = "SmolLM2-135M"
ROWS_A_STEP = 8
PLACES = ("query", "key", "value", "projection", "mlp")
LORA = {"lora_r": 16, "lora_alpha": 32, "lora_dropout": 0.0, **{f"lora_{place}": True for place in PLACES}}


class Rows(DataModule):
    """Tokenized rows in random order; the first row of every step waits at the gate."""

    def __init__(self, rows, *, gate, rows_at_once, seed):
        super().__init__()
        self.rows = rows
        self.gate = gate
        self.rows_at_once = rows_at_once
        self.order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed)).tolist()
        self.prompt_style = Default()
        self.tokens = 0

    def connect(self, tokenizer=None, batch_size=1, max_seq_length=None, **others):
        pass

    def __len__(self):
        return len(self.order)

    def __iter__(self):
        for place, row in enumerate(self.order):
            if place % ROWS_A_STEP == 0:
                self.gate.wait()
                self.tokens = 0
            self.tokens += len(self.rows[row]["input_ids"])
            yield row

    def train_dataloader(self):
        return DataLoader(self.rows, batch_size=self.rows_at_once, sampler=self, collate_fn=get_sft_collate_fn())

    def val_dataloader(self):
        return DataLoader(self.rows[:1], batch_size=1, collate_fn=get_sft_collate_fn())


def main():
    """Train on every row once."""
    gate = Gate()
    file, base, out, seed, setting, rate = sys.argv[1:]
    precision, rows_at_once = setting.split(",")
    rows = read(file)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = convert(Path(base), Path(folder) / MODEL)
        data = Rows(rows, gate=gate, rows_at_once=int(rows_at_once), seed=int(seed))
        register_optimizer_step_post_hook(lambda *_: gate.done(tokens=data.tokens))
        # What follows the last step is not measured: the adapter is merged below, in float32.
        finetune.save_hyperparameters = finetune.merge_lora = lambda *_, **__: None
        names = ("litgpt", "torch", "lightning")
        gate.ready(
            setting=setting,
            threads=torch.get_num_threads(),
            rows_a_step=ROWS_A_STEP,
            steps=len(rows) // ROWS_A_STEP,
            learning_rate=float(rate),
            versions={name: metadata.version(name) for name in names},
        )
        finetune.setup(
            checkpoint,
            out_dir=Path(folder) / "out",
            precision=precision,
            data=data,
            train=TrainArgs(
                save_interval=None,
                global_batch_size=ROWS_A_STEP,
                micro_batch_size=int(rows_at_once),
                lr_warmup_steps=1,
                epochs=1,
                max_steps=len(rows) // ROWS_A_STEP,
            ),
            eval=EvalArgs(interval=10**6, max_new_tokens=1, final_validation=False),
            optimizer={"class_path": "torch.optim.AdamW", "init_args": {"lr": float(rate), "weight_decay": 0.01}},
            seed=int(seed),
            **LORA,
        )
        save_merged(checkpoint, Path(folder) / "out" / "final" / "lit_model.pth.lora", Path(out))
    gate.end()


def read(file):
    """Rows of ids and labels; -100 carries no loss."""
    rows = []
    for line in Path(file).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        ids, learnt = torch.tensor(row["ids"]), torch.tensor(row["trained"]).bool()
        counts = {"raw": len(ids), "raw_plus_prompt_template": len(ids)}
        rows.append({"input_ids": ids, "labels": ids.masked_fill(~learnt, -100), "token_counts": counts})
    return rows


def convert(base, folder):
    """The base as LitGPT reads it."""
    shutil.copytree(base, folder)
    convert_hf_checkpoint(folder, model_name=MODEL)
    return folder


def save_merged(checkpoint, adapter, out):
    """Base and adapter as one float32 model, under the names of `transformers`."""
    model = GPT(Config.from_file(checkpoint / "model_config.yaml", **LORA))
    weights = torch.load(checkpoint / "lit_model.pth", weights_only=True)
    weights = weights.get("model", weights) | torch.load(adapter, weights_only=True)["model"]
    model.load_state_dict({name: value.float() for name, value in weights.items()})
    merge_lora_weights(model)
    kept = {name: value for name, value in model.state_dict().items() if not lora_filter(name, value)}
    state = {name.replace("linear.", ""): value for name, value in kept.items()}
    merged = {}
    copy_weights_llama(model.config, merged, state, untie_weights=True)
    out.mkdir(parents=True, exist_ok=True)
    save_file({name: value.clone().contiguous() for name, value in merged.items()}, out / "model.safetensors")


if __name__ == "__main__":
    main()
