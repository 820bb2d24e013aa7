"""Loss and gradient of one batch as others compute them; imports nothing of ours.

    python _gradients_loop.py trl|transformers|float64 CASE_FOLDER...

A case holds `case.json` (objective, base, method, labels, padding), `rows.jsonl` and `tuned`: the adapter or the whole
model before its first step. `trl` takes one step of TRL's SFTTrainer over all rows, its loss kept to the assistant's
tokens by `assistant_masks`; `transformers` computes the padded batch, an encoder with a linear layer on the mean of its
states; `float64` does the same in float64, but for norms and rotations, which `transformers` always computes in
float32. Leaves the gradients in float32 in `<way>.safetensors` by the name of the parameter, and prints the losses.
"""

import json
import sys
import tempfile
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    TrainerCallback,
)


def main():
    """Compute and keep."""
    warnings.simplefilter("ignore")
    way, *folders = sys.argv[1:]
    losses = {}
    for folder in map(Path, folders):
        torch.manual_seed(0)
        case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
        rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
        model = load(folder, case)
        model = model.double() if way == "float64" else model
        step = by_trl if way == "trl" else {"chat": causal, "complete": causal}.get(case["objective"], labelled)
        losses[str(folder)], gradients = step(model, rows, case)
        # Without gradient is only what the loss cannot see, such as the head when it is not the embedding.
        save_file(
            {name: value.float().contiguous() for name, value in gradients.items()}, folder / f"{way}.safetensors"
        )
    print(json.dumps(losses))


def load(folder, case):
    tuned, base = folder / "tuned", case["base"]
    source, extra = (base if case["method"] == "lora" else tuned), {}
    if case["objective"] != "classify":
        kind = AutoModelForCausalLM
    elif case["architecture"] == "encoder":
        kind = AutoModel
    else:
        kind, extra = AutoModelForSequenceClassification, {"num_labels": case["labels"], "pad_token_id": case["pad"]}
    model = kind.from_pretrained(source, dtype=torch.float32, **extra)
    if case["method"] == "lora":
        model = PeftModel.from_pretrained(model, tuned, is_trainable=True)
    return Pooled(model, load_file(tuned / "classifier.safetensors")) if kind is AutoModel else model


class Pooled(torch.nn.Module):
    """A linear layer on the mean of an encoder's states."""

    def __init__(self, encoder, head):
        super().__init__()
        self.encoder = encoder
        self.classifier = torch.nn.Linear(*reversed(head["classifier.weight"].shape))
        self.load_state_dict(head, strict=False)

    def forward(self, *, input_ids, attention_mask, labels):
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weights = attention_mask[:, :, None].to(states.dtype)
        logits = self.classifier((states * weights).sum(dim=1) / weights.sum(dim=1))
        return type("Output", (), {"loss": F.cross_entropy(logits, labels)})


def padded(rows, pad):
    longest = max(len(row["ids"]) for row in rows)
    ids = torch.full((len(rows), longest), pad)
    mask = torch.zeros_like(ids)
    for place, row in enumerate(rows):
        ids[place, : len(row["ids"])] = torch.tensor(row["ids"])
        mask[place, : len(row["ids"])] = 1
    return {"input_ids": ids, "attention_mask": mask}


def causal(model, rows, case):
    batch = padded(rows, case["pad"])
    labels = torch.full_like(batch["input_ids"], -100)
    for place, row in enumerate(rows):
        ids = torch.tensor(row["ids"])
        labels[place, : len(ids)] = ids.masked_fill(~torch.tensor(row["trained"]).bool(), -100)
    return gradients_of(model, model.train()(**batch, labels=labels, use_cache=False).loss)


def labelled(model, rows, case):
    labels = torch.tensor([row["label"] for row in rows])
    return gradients_of(model, model.train()(**padded(rows, case["pad"]), labels=labels).loss)


def gradients_of(model, loss):
    loss.backward()
    return float(loss), found_in(model)


def by_trl(model, rows, case):
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    found = {}

    class Look(TrainerCallback):
        def on_pre_optimizer_step(self, args, state, control, model=None, **others):
            found.update(found_in(model))

    class Kept(SFTTrainer):
        def compute_loss(self, *others, **more):
            loss = super().compute_loss(*others, **more)
            found["loss"] = float(loss)
            return loss

    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            per_device_train_batch_size=len(rows),
            max_steps=1,
            max_grad_norm=0.0,
            max_length=None,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        )
        # The first token of a row follows nothing, so nobody can be asked for it.
        data = Dataset.from_list([{"input_ids": row["ids"], "assistant_masks": row["trained"]} for row in rows])
        words = AutoTokenizer.from_pretrained(case["base"])
        Kept(model=model, args=config, train_dataset=data, processing_class=words, callbacks=[Look()]).train()
    return found.pop("loss"), found


def found_in(model):
    """Gradients by the name in a saved model or adapter."""
    found = {}
    for name, weight in model.named_parameters():
        if weight.grad is None:
            continue
        plain = name.replace(".modules_to_save.default", "").replace(".default.", ".")
        found[plain.removeprefix("encoder.") if isinstance(model, Pooled) else plain] = weight.grad.clone()
    return found


if __name__ == "__main__":
    main()
