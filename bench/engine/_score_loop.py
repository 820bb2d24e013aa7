"""How well do tuned models know held-out rows? Plain `transformers` and `peft` in float32; imports nothing of ours.

    python _score_loop.py ROWS BASE_FOLDER NAME=FOLDER...

A folder holds an adapter of `peft`, or a whole model's weights. Prints one JSON object: mean nats per labelled token of
the base and of each model.
"""

import json
import sys
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM


def main():
    """Score the base, then every model in turn."""
    rows = [json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
    found = {"base": score(load(sys.argv[2]), rows)}
    for each in sys.argv[3:]:
        name, _, folder = each.partition("=")
        model = load(sys.argv[2])
        if (Path(folder) / "adapter_config.json").is_file():
            model = PeftModel.from_pretrained(model, folder)
        else:
            missing, unknown = model.load_state_dict(load_file(Path(folder) / "model.safetensors"), strict=False)
            assert not unknown, unknown
            assert set(missing) <= {"lm_head.weight"}, missing
        found[name] = score(model, rows)
    print(json.dumps(found))


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def score(model, rows):
    nats, count = 0.0, 0
    with torch.no_grad():
        for row in rows:
            ids, learnt = torch.tensor(row["ids"]), torch.tensor(row["trained"]).bool()
            targets = ids.masked_fill(~learnt, -100)[1:]
            logits = model.eval()(input_ids=ids[None]).logits[0, :-1]
            nats += float(F.cross_entropy(logits, targets, reduction="sum", ignore_index=-100))
            count += int((targets != -100).sum())
    return nats / count


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
