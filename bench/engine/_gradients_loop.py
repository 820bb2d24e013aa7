"""Loss and gradient of one batch as others compute them in float32; imports nothing of ours.

    python _gradients_loop.py trl|transformers ROWS BASE_FOLDER OUT [ADAPTER_FOLDER]

`trl` takes one step of TRL's SFTTrainer over all rows, its loss kept to the assistant's tokens by `assistant_masks`;
`transformers` calls the model with labels on the padded batch. Without an adapter every weight is trained. Leaves the
gradients in OUT by the parameter's name and prints the loss.
"""

import json
import sys
import tempfile
import warnings
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, TrainerCallback


def main():
    """Compute and keep."""
    warnings.simplefilter("ignore")
    way, file, base, out, *adapter = sys.argv[1:]
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if adapter:
        model = PeftModel.from_pretrained(model, adapter[0], is_trainable=True)
    rows = [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]
    loss, gradients = {"trl": by_trl, "transformers": by_transformers}[way](model, rows)
    # Without gradient is only what the loss cannot see, such as the head when it is not the embedding.
    save_file({name: value.contiguous() for name, value in gradients.items()}, out)
    print(json.dumps({"loss": loss}))


def by_transformers(model, rows):
    longest = max(len(row["ids"]) for row in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    labels, mask = torch.full_like(ids, -100), torch.zeros_like(ids)
    for place, row in enumerate(rows):
        size = len(row["ids"])
        ids[place, :size] = torch.tensor(row["ids"])
        mask[place, :size] = 1
        labels[place, :size] = ids[place, :size].masked_fill(~torch.tensor(row["trained"]).bool(), -100)
    loss = model.train()(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False).loss
    loss.backward()
    return float(loss), gradients_of(model)


def by_trl(model, rows):
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    found = {}

    class Look(TrainerCallback):
        def on_pre_optimizer_step(self, args, state, control, model=None, **others):
            found.update(gradients_of(model))

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
        data = [{"input_ids": row["ids"], "assistant_masks": row["trained"]} for row in rows]
        Kept(model=model, args=config, train_dataset=Dataset.from_list(data), callbacks=[Look()]).train()
    return found.pop("loss"), found


def gradients_of(model):
    named = ((name.replace(".default.", "."), weight.grad) for name, weight in model.named_parameters())
    return {name: gradient.clone() for name, gradient in named if gradient is not None}


if __name__ == "__main__":
    main()
