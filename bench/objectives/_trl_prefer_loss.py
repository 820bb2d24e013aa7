"""Loss and gradient of batches of better and worse answers by TRL's own code; imports nothing of ours.

    python _trl_prefer_loss.py float32|float64 CASE_FOLDER...

A case holds `case.json` (kind, method, base, padding, tokenized rows) and `tuned`: the adapter, or the whole model,
before its first step. DPO, IPO, KTO and the reward are what the trainers compute on the batch that their collators
make; ORPO and SimPO are experimental in TRL and cannot be fed ids, so their loss functions get the log-likelihoods that
TRL's own `get_batch_logps` finds. ORPO's likelihood term is taken over the answer, as in its paper; TRL takes the
prompt along.
In float64 TRL's per-token likelihoods are torch's, for its own kernel computes in float32 whatever it is given; norms
and rotations stay in float32, as `transformers` has them.
Leaves the gradients in float32 in `trl-<type>.safetensors` by the name of the parameter, and the loss beside them.
"""

import json
import sys
import tempfile
import warnings
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.nn.functional as F
import trl.trainer.utils
from datasets import Dataset
from peft import PeftModel
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer


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
        loss = {"orpo": by_parts, "simpo": by_parts}.get(case["kind"], by_trainer)(model, case)
        loss.backward()
        gradients = {
            name.replace(".modules_to_save.default", "").replace(".default.", "."): weight.grad.float().contiguous()
            for name, weight in model.named_parameters()
            if weight.grad is not None
        }
        save_file(gradients, folder / f"trl-{way}.safetensors")
        (folder / f"trl-{way}.json").write_text(json.dumps(float(loss)), encoding="utf-8")
        del model, loss, gradients


class PlainHead:
    """Stands in for TRL's kernel."""

    @staticmethod
    def apply(hidden, weight, bias, targets, *others):
        logp = F.linear(hidden, weight, bias).log_softmax(dim=-1).gather(-1, targets[:, None])[:, 0]
        logged = torch.zeros_like(logp)
        return logp, logged, logged, logged, logged.bool()


def base_model(case):
    model = AutoModelForCausalLM.from_pretrained(case["base"], dtype=torch.float32)
    return model.double() if case["double"] else model


def load(folder, case):
    adapted = case["method"] == "lora"
    source = case["base"] if adapted else folder / "tuned"
    if case["kind"] == "reward":
        head = {"num_labels": 1, "pad_token_id": case["pad"]}
        model = AutoModelForSequenceClassification.from_pretrained(source, dtype=torch.float32, **head)
    else:
        model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
    model = PeftModel.from_pretrained(model, folder / "tuned", is_trainable=True) if adapted else model
    return model.double() if case["double"] else model


def by_trainer(model, case):
    from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, RewardConfig, RewardTrainer

    kind, rows = case["kind"], case["rows"]
    make, settings = {"kto": KTOConfig, "reward": RewardConfig}.get(kind, DPOConfig), {}
    if kind != "reward":
        settings = {"beta": 0.1, "loss_type": {"dpo": ["sigmoid"], "ipo": ["ipo"], "kto": "kto"}[kind]}
    kept = {"kto": KTOTrainer, "reward": RewardTrainer}.get(kind, DPOTrainer)
    if kind == "reward":
        rows = [{side: row["prompt_ids"] + row[side] for side in ("chosen_ids", "rejected_ids")} for row in rows]
    trainer_class = type("Kept", (kept,), {"_prepare_dataset": lambda self, dataset, *others, **more: dataset})
    with tempfile.TemporaryDirectory() as folder:
        config = make(
            output_dir=folder,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            per_device_train_batch_size=len(rows),
            max_length=None,
            report_to="none",
            **settings,
        )
        words = AutoTokenizer.from_pretrained(case["base"])
        more = {}
        if kind != "reward" and case["method"] == "full":
            more["ref_model"] = base_model(case)
        trainer = trainer_class(
            model=model, args=config, train_dataset=Dataset.from_list(rows), processing_class=words, **more
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
        return trainer.compute_loss(trainer.model, trainer.data_collator(rows))


def by_parts(model, case):
    from trl.experimental.cpo import CPOTrainer
    from trl.experimental.orpo import ORPOTrainer

    rows = case["rows"]
    texts = [row["prompt_ids"] + row[side] for side in ("chosen_ids", "rejected_ids") for row in rows]
    starts = [len(row["prompt_ids"]) for row in rows] * 2
    longest = max(map(len, texts))
    ids = torch.full((len(texts), longest), case["pad"])
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for place, (text, start) in enumerate(zip(texts, starts, strict=True)):
        ids[place, : len(text)] = torch.tensor(text)
        mask[place, : len(text)] = 1
        labels[place, start : len(text)] = torch.tensor(text[start:])
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    cpu = SimpleNamespace(device="cpu")
    if case["kind"] == "simpo":
        chosen, rejected = CPOTrainer.get_batch_logps(logits, labels, average_log_prob=True).chunk(2)
        terms = {"beta": 2.0, "simpo_gamma": 1.0, "loss_type": "simpo", "label_smoothing": 0.0, "alpha": 0.0}
        return CPOTrainer.cpo_loss(SimpleNamespace(accelerator=cpu, **terms), chosen, rejected)[0].mean()
    chosen, rejected = ORPOTrainer.get_batch_logps(logits, labels, average_log_prob=True).chunk(2)
    ratio = ORPOTrainer.odds_ratio_loss(SimpleNamespace(accelerator=cpu, beta=0.1), chosen, rejected)[0]
    return -chosen.mean() - ratio.mean()


if __name__ == "__main__":
    main()
