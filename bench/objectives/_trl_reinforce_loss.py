"""Loss and gradient of graded answers by TRL's GRPOTrainer; imports nothing of ours.

    python _trl_reinforce_loss.py float32|float64 CASE_FOLDER...

A case holds `case.json` (method, KL, base, padding, answers with advantages and with the likelihoods that they were
drawn with) and `tuned`: the adapter, or the whole model, as it is when it learns. The loss is what the trainer computes
on the batch that it makes of its own answers, with TRL's default normalisation: the tokens of all answers.
In float64 the head is torch's, as in `_trl_prefer_loss.py`.
Leaves the gradients in float32 in `trl-<type>.safetensors` by the name of the parameter, and the loss beside them.
"""

import json
import sys
import tempfile
import warnings
from contextlib import nullcontext
from pathlib import Path

import torch
import trl.trainer.utils
from _trl_prefer_loss import PlainHead, load
from datasets import Dataset
from peft import PeftModel
from safetensors.torch import save_file
from transformers import AutoTokenizer
from trl import GRPOConfig, GRPOTrainer


def main():
    """Compute and keep."""
    warnings.simplefilter("ignore")
    way, *folders = sys.argv[1:]
    if way == "float64":
        trl.trainer.utils._ChunkedLogProbFunction = PlainHead
    for folder in map(Path, folders):
        case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
        case["double"] = way == "float64"
        torch.manual_seed(0)
        model = load(folder, case)
        loss = by_trainer(model, case)
        loss.backward()
        gradients = {
            name.replace(".default.", "."): weight.grad.float().contiguous()
            for name, weight in model.named_parameters()
            if weight.grad is not None
        }
        save_file(gradients, folder / f"trl-{way}.safetensors")
        (folder / f"trl-{way}.json").write_text(json.dumps(float(loss)), encoding="utf-8")
        del model, loss, gradients


def by_trainer(model, case):
    rows = case["rows"]
    with tempfile.TemporaryDirectory() as folder:
        config = GRPOConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            per_device_train_batch_size=len(rows),
            num_generations=len(rows),
            beta=case["kl"],
            epsilon=0.2,
            temperature=1.0,
            report_to="none",
        )
        trainer = GRPOTrainer(
            model=model,
            reward_funcs=lambda completions, **_: [0.0] * len(completions),
            args=config,
            train_dataset=Dataset.from_list([{"prompt": "unused"}]),
            processing_class=AutoTokenizer.from_pretrained(case["base"]),
        )
        if isinstance(model, PeftModel) and "ref" in model.peft_config:
            model.delete_adapter("ref")  # a copy of the adapter: the reference here is the base
            model.set_adapter("default")
        for name, weight in model.named_parameters():
            if "lora_" in name:
                weight.requires_grad_(True)
        trainer.model.train()
        for module in trainer.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        trainer.current_gradient_accumulation_steps = 1
        inputs = batch(case)
        if case["kl"]:
            inputs["ref_per_token_logps"] = reference(trainer, inputs)
        return trainer._compute_loss(trainer.model, inputs)


def batch(case):
    """As the trainer leaves it after writing: prompts padded on the left, answers on the right."""
    rows, kind = case["rows"], torch.float64 if case["double"] else torch.float32
    prompts, masks = zip(
        *(padded(row["prompt_ids"], rows, "prompt_ids", case["pad"], left=True) for row in rows), strict=True
    )
    answers, learnt = zip(
        *(padded(row["completion_ids"], rows, "completion_ids", case["pad"]) for row in rows), strict=True
    )
    old, _ = zip(*(padded(row["old_logp"], rows, "completion_ids", 0.0) for row in rows), strict=True)
    return {
        "prompt_ids": torch.tensor(prompts),
        "prompt_mask": torch.tensor(masks),
        "completion_ids": torch.tensor(answers),
        "completion_mask": torch.tensor(learnt),
        "old_per_token_logps": torch.tensor(old, dtype=kind),
        "advantages": torch.tensor([row["advantage"] for row in rows], dtype=kind),
        "num_items_in_batch": torch.tensor(sum(len(row["completion_ids"]) for row in rows)),
    }


def padded(values, rows, name, filler, left=False):
    room = max(len(row[name]) for row in rows) - len(values)
    fill, blind, seen = [filler] * room, [0] * room, [1] * len(values)
    return (fill + values, blind + seen) if left else (values + fill, seen + blind)


def reference(trainer, inputs):
    """Likelihoods by the base."""
    ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
    mask = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
    model = trainer.model
    with torch.no_grad(), model.disable_adapter() if isinstance(model, PeftModel) else nullcontext():
        found, *_ = trainer._get_per_token_logps_and_entropies(model, ids, mask, inputs["completion_ids"].size(1))
    return found


if __name__ == "__main__":
    main()
