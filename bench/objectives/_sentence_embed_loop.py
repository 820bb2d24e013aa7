"""sentence-transformers' trainer on pairs of texts; runs in the peers' environment and imports nothing of ours.

    python _sentence_embed_loop.py FOLDER

FOLDER holds `asked.json` (pairs, texts, base, seed, rate, epochs, together); the vectors of the texts are left there.
"""

import json
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from peft import LoraConfig, TaskType
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer import losses


def main():
    """Train on every pair, then make the vectors."""
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    asked = json.loads((folder / "asked.json").read_text(encoding="utf-8"))
    torch.manual_seed(asked["seed"])
    model = SentenceTransformer(asked["base"], device="cpu")
    adapter = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type=TaskType.FEATURE_EXTRACTION)
    model.add_adapter(adapter)
    pairs = Dataset.from_dict(
        {"anchor": [query for query, _ in asked["pairs"]], "positive": [text for _, text in asked["pairs"]]}
    )
    with tempfile.TemporaryDirectory() as scratch:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=scratch,
            use_cpu=True,
            per_device_train_batch_size=asked["together"],
            num_train_epochs=asked["epochs"],
            learning_rate=asked["rate"],
            lr_scheduler_type="cosine",
            warmup_steps=0.05,
            weight_decay=0.01,
            max_grad_norm=1.0,
            batch_sampler="no_duplicates",
            seed=asked["seed"],
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        )
        loss = losses.MultipleNegativesRankingLoss(model)
        SentenceTransformerTrainer(model=model, args=arguments, train_dataset=pairs, loss=loss).train()
    vectors = model.eval().encode(asked["texts"], batch_size=64, show_progress_bar=False, convert_to_numpy=True)
    np.save(folder / "vectors.npy", np.asarray(vectors, dtype=np.float32))


if __name__ == "__main__":
    main()
