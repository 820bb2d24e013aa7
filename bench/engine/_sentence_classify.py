"""sentence-transformers' trainer on labelled texts, step by step: its mean pooling, a linear layer and cross-entropy.

Runs in the peers' environment and imports nothing of ours but the gate.

    python _sentence_classify.py ROWS BASE LABELS EPOCHS SEED lora|full SETTING RATE

Its SoftmaxLoss is for pairs of texts; for one text its manual says to write a loss of one's own, and this is it.
"""

import importlib.metadata as metadata
import json
import sys
import tempfile
from pathlib import Path

import torch
from _gate import Gate
from datasets import Dataset
from peft import LoraConfig, TaskType
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from transformers import TrainerCallback

SETTINGS = {"defaults": {}, "autocast": {"bf16": True}}
ROWS_A_STEP = 64


class PooledLoss(torch.nn.Module):
    """Cross-entropy over a linear layer on the embedding of one text."""

    def __init__(self, model, labels):
        super().__init__()
        self.model = model
        self.classifier = torch.nn.Linear(model.get_embedding_dimension(), labels)
        self.real = []

    def forward(self, sentence_features, labels):
        (features,) = sentence_features
        self.real.append(int(features["attention_mask"].sum()))
        embedding = self.model(features)["sentence_embedding"]
        return torch.nn.functional.cross_entropy(self.classifier(embedding), labels.view(-1))


class Stepwise(TrainerCallback):
    """Waits at the gate before each optimizer step."""

    def __init__(self, gate, loss):
        self.gate, self.loss = gate, loss

    def on_step_begin(self, args, state, control, **others):
        self.gate.wait()

    def on_step_end(self, args, state, control, **others):
        self.gate.done(tokens=self.loss.real[-1])


def main():
    """Train on every row EPOCHS times, then answer."""
    gate = Gate()
    file, base, labels, epochs, seed, method, setting, rate = sys.argv[1:]
    told = json.loads(Path(file).read_text(encoding="utf-8"))
    torch.manual_seed(int(seed))
    modules = list(SentenceTransformer(base, device="cpu"))[:2]  # pooling, without normalising the mean
    model = SentenceTransformer(modules=modules, device="cpu")
    if method == "lora":
        adapter = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type=TaskType.FEATURE_EXTRACTION)
        model.add_adapter(adapter)
    loss = PooledLoss(model, int(labels))
    rows = told["train"]
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder,
            use_cpu=True,
            per_device_train_batch_size=ROWS_A_STEP,
            num_train_epochs=int(epochs),
            learning_rate=float(rate),
            lr_scheduler_type="cosine",
            warmup_steps=0.05,
            weight_decay=0.01,
            max_grad_norm=1.0,
            seed=int(seed),
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            **SETTINGS[setting],
        )
        texts = Dataset.from_dict({"text": [row["text"] for row in rows], "label": [row["label"] for row in rows]})
        trainer = SentenceTransformerTrainer(
            model=model, args=arguments, train_dataset=texts, loss=loss, callbacks=[Stepwise(gate, loss)]
        )
        steps = int(epochs) * len(trainer.get_train_dataloader())
        versions = {"sentence-transformers": metadata.version("sentence-transformers")}
        gate.ready(steps=steps, setting=setting, threads=torch.get_num_threads(), versions=versions)
        trainer.train()
    with torch.no_grad():
        embeddings = model.eval().encode([row["text"] for row in told["asked"]], convert_to_tensor=True)
        found = loss.classifier(embeddings.float()).argmax(dim=-1).tolist()
    gate.end(labels=found)


if __name__ == "__main__":
    main()
