"""Answers in float32 over `transformers` modules: the oracle that evaluation and serving share.

One copy of the base is in memory and its adapter is switched on and off, so base and tuned see the same code; a base
that was tuned whole is there twice.
"""

# B rows, L tokens, V vocabulary

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from luthier.artifacts.folders import ModelDir
from luthier.errors import UserError
from luthier.models.adapters import is_adapter, put_adapter, switch
from luthier.models.bases import Base
from luthier.models.chat import Wording, load_wording
from luthier.models.classify import pad_types, padded_logits
from luthier.models.embed import padded_vectors
from luthier.models.encoder import type_arguments
from luthier.models.engines.choose import Chooser
from luthier.models.engines.decoder import Decoder, choose_decoders
from luthier.models.engines.engine import Sampling
from luthier.models.forward import (
    Forward,
    TokenRows,
    batches_by_length,
    choose_forward,
    pad_rows,
    padded_states,
)
from luthier.models.fused import token_nats
from luthier.models.heads import mean_states
from luthier.models.load import head_weight, load_model
from luthier.models.machine import use_all_cores
from luthier.models.masked import fill_nats, padded_hidden, targets_of
from luthier.models.pooling import Pooling
from luthier.models.products import quicken_products
from luthier.models.tokens import padded_token_logits, padded_token_states
from luthier.models.tree import choose_tree, neighbours, tree_states
from luthier.models.whole import load_whole
from luthier.objectives import Objective, objective
from luthier.records import Answer, Listener, Tick, Worded, nobody_listens

BATCH_TOKENS = 4096
SAMPLE = 4
"""Rows on which ways to compute the same states are compared."""

FloatArray = NDArray[np.float64]


class Engine:
    """A base, with or without a tuned adapter, that answers token ids.

    Where the base was tuned whole, `model` is the tuned one, `untuned` the base, and `adapter` chooses between them.
    """

    def __init__(
        self, model: Any, *, wording: Wording, labels: tuple[str, ...], has_adapter: bool, untuned: Any = None
    ) -> None:
        quicken_products(model)
        self.model = model.eval()
        self.arms = {True: self.model, False: self.model if untuned is None else untuned.eval()}
        self.wording = wording
        self.labels = labels
        self.has_adapter = has_adapter
        self.objective = "chat"
        """Name of what the model learnt."""
        self.reason = ""
        """Why answers are written as they are; known after the first."""
        self.pooling: Pooling | None = None
        """How an embedder makes vectors; None for other models."""
        self.several = False
        """Whether a text can have several labels, or none."""
        self.new_parts: tuple[str, ...] = ()
        """Parts of the base's model that its files lack: they know nothing."""
        self._decoders: dict[bool, Decoder] = {}
        self._branch: Forward | None = None
        """How states of rows that begin alike are computed; chosen with the first."""

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        adapter: bool,
        max_tokens: int,
        listener: Listener = nobody_listens,
    ) -> list[Answer]:
        """Greedy answers, in the order of the prompts; a prompt that fills the context is answered with nothing."""
        if not prompts:
            return []
        fitting = sum(len(prompt) < self.wording.context for prompt in prompts)
        written = self.decoder(adapter).write(
            prompts,
            [Chooser(Sampling(max_tokens=max_tokens)) for _ in prompts],
            ends=self.wording.end_ids,
            context=self.wording.context,
            report=lambda done: listener(Tick("answer", done, fitting)),
        )
        return [self._answer(ids) for ids in written]

    def stream(self, prompt: Sequence[int], *, adapter: bool, sampling: Sampling) -> Iterator[int]:
        """Token ids of one answer as they are chosen, the end token left out. Close the iterator to abort."""
        return self.decoder(adapter).stream(prompt, sampling, ends=self.wording.end_ids, context=self.wording.context)

    def decoder(self, adapter: bool) -> Decoder:
        """What writes with the adapter on or off."""
        self._switch(adapter)
        if adapter not in self._decoders:
            found, self.reason = choose_decoders(self.model, pad_id=self.wording.pad_id)
            self._decoders |= found if self.arms[True] is self.arms[False] else {adapter: found[adapter]}
        return self._decoders[adapter]

    def arm(self, adapter: bool) -> Any:
        """The model with the adapter on or off."""
        self._switch(adapter)
        return self.model

    def nats(self, rows: Sequence[Worded], *, adapter: bool, listener: Listener = nobody_listens) -> list[float]:
        """Total nats of the trained tokens of each row."""
        return self._totals(rows, self._nats, adapter=adapter, listener=listener)

    def branch_nats(self, rows: Sequence[Worded], *, adapter: bool, listener: Listener = nobody_listens) -> list[float]:
        """`nats` of rows of which neighbours begin alike: what they share is computed once, where that can be done."""
        self._switch(adapter)
        if self._branch is None:
            sample = [row.ids for row in rows[:SAMPLE]]
            forward, _reason = choose_forward(self.model, sample)
            self._branch = tree_states if choose_tree(self.model, sample, forward=forward) is None else padded_states
        totals: list[float] = []
        for batch in neighbours([row.ids for row in rows], tokens=BATCH_TOKENS):
            totals += self._nats([rows[index] for index in batch], forward=self._branch)
            listener(Tick("likelihood", len(totals), len(rows)))
        return totals

    def fill_nats(self, rows: Sequence[Worded], *, adapter: bool, listener: Listener = nobody_listens) -> list[float]:
        """Total nats of the hidden tokens of each row (`Masker`), given all that stands around them."""
        return self._totals(rows, self._fill_nats, adapter=adapter, listener=listener)

    def classify(
        self, rows: TokenRows, *, seconds: Sequence[int] = (), listener: Listener = nobody_listens
    ) -> FloatArray:
        """Label probabilities [N, labels] of the tuned model; where texts can have several labels, each by itself.

        `seconds`: where the second of two texts begins in each row.
        """
        logits = self._logits(rows, len(self.labels), "classify", listener, seconds)
        found: FloatArray = (logits.sigmoid() if self.several else logits.softmax(dim=-1)).numpy()
        return found

    def rewards(self, rows: Sequence[Sequence[int]], *, listener: Listener = nobody_listens) -> FloatArray:
        """Reward of each row [N] by the tuned model."""
        return self._logits(rows, 1, "reward", listener)[:, 0].numpy()

    def tag(self, rows: Sequence[Sequence[int]], *, listener: Listener = nobody_listens) -> list[FloatArray]:
        """Label probabilities [tokens, labels] of every token of each row, by the tuned model."""
        found = self._token_logits(rows, (), listener=listener)
        return [each.double().softmax(dim=-1).numpy() for each in found]

    def point(
        self, rows: Sequence[Sequence[int]], seconds: Sequence[int], *, listener: Listener = nobody_listens
    ) -> list[FloatArray]:
        """Logits [tokens, 2] of where an answer starts and ends in each row, by the tuned model; `seconds` says where
        the second text begins.
        """
        return [each.double().numpy() for each in self._token_logits(rows, seconds, listener=listener)]

    def token_states(
        self,
        rows: Sequence[Sequence[int]],
        chosen: Sequence[Sequence[bool]],
        *,
        seconds: Sequence[int] = (),
        listener: Listener = nobody_listens,
    ) -> FloatArray:
        """Last hidden states of the frozen base at the chosen tokens, row by row: [chosen, hidden]."""
        self._switch(False)

        def states(texts: TokenRows, ends: Sequence[int]) -> Tensor:
            return padded_token_states(self.model.base_model, texts, ends, pad_id=self.wording.pad_id)

        parts = self._by_token(states, rows, seconds, listener=listener)
        kept = [part[torch.tensor(mask)].double() for part, mask in zip(parts, chosen, strict=True)]
        width = self.model.config.hidden_size
        return torch.cat([*kept, torch.zeros(0, width, dtype=torch.float64)]).numpy()

    def embed(self, rows: Sequence[Sequence[int]], *, adapter: bool, listener: Listener = nobody_listens) -> FloatArray:
        """A vector of each text: [N, E]."""
        assert self.pooling is not None, "not an embedder"
        self._switch(adapter)
        found = np.zeros((len(rows), self.model.config.hidden_size))
        done = 0
        for batch in batches_by_length(rows, tokens=BATCH_TOKENS):
            texts = [rows[index] for index in batch]
            with torch.no_grad():
                found[batch] = padded_vectors(self.model, texts, pooling=self.pooling, pad_id=self.wording.pad_id)
            done += len(batch)
            listener(Tick("embed", done, len(rows)))
        return found

    def states(
        self, rows: TokenRows, *, seconds: Sequence[int] = (), listener: Listener = nobody_listens
    ) -> FloatArray:
        """Mean of the frozen base's last hidden states per row: [N, hidden]."""
        self._switch(False)
        found: list[NDArray[np.float64] | None] = [None] * len(rows)
        done = 0
        for batch in batches_by_length(rows, tokens=BATCH_TOKENS):
            ids, mask = pad_rows([rows[index] for index in batch], pad_id=self.wording.pad_id)
            types = pad_types([rows[index] for index in batch], [seconds[index] for index in batch] if seconds else [])
            with torch.no_grad():
                output = self.model.base_model(input_ids=ids, attention_mask=mask, **type_arguments(self.model, types))
            hidden = output.last_hidden_state.double()
            for index, mean in zip(batch, mean_states(hidden, mask).numpy(), strict=True):
                found[index] = mean
            done += len(batch)
            listener(Tick("states", done, len(rows)))
        rows_found = [row for row in found if row is not None]
        return np.stack(rows_found) if rows_found else np.zeros((0, self.model.config.hidden_size))

    def _token_logits(self, rows: TokenRows, seconds: Sequence[int], *, listener: Listener) -> list[Tensor]:
        self._switch(True)
        return self._by_token(
            partial(padded_token_logits, self.model, pad_id=self.wording.pad_id), rows, seconds, listener=listener
        )

    def _by_token(
        self,
        compute: Callable[[TokenRows, Sequence[int]], Tensor],
        rows: TokenRows,
        seconds: Sequence[int],
        *,
        listener: Listener,
    ) -> list[Tensor]:
        """What `compute` says of the tokens of each row, from batches of rows of like length."""
        found: dict[int, Tensor] = {}
        for batch in batches_by_length(rows, tokens=BATCH_TOKENS):
            texts = [rows[index] for index in batch]
            with torch.no_grad():
                values = compute(texts, [seconds[index] for index in batch] if seconds else ())
            found |= dict(zip(batch, values.split([len(text) for text in texts]), strict=True))
            listener(Tick("tokens", len(found), len(rows)))
        return [found[index] for index in range(len(rows))]

    def _switch(self, adapter: bool) -> None:
        assert self.has_adapter or not adapter, "no adapter was loaded"
        self.model = self.arms[adapter]
        switch(self.model, active=adapter)

    def _logits(
        self, rows: TokenRows, outputs: int, name: str, listener: Listener, seconds: Sequence[int] = ()
    ) -> Tensor:
        """Of the tuned model's head, float64: [N, outputs]."""
        self._switch(True)
        found = torch.zeros(len(rows), outputs, dtype=torch.float64)
        done = 0
        for batch in batches_by_length(rows, tokens=BATCH_TOKENS):
            told = [seconds[index] for index in batch] if seconds else []
            found[batch] = self._judge([rows[index] for index in batch], told).double()
            done += len(batch)
            listener(Tick(name, done, len(rows)))
        return found

    def _judge(self, rows: TokenRows, seconds: Sequence[int]) -> Tensor:
        with torch.no_grad():
            return padded_logits(self.model, rows, seconds, pad_id=self.wording.pad_id)

    def _totals(
        self,
        rows: Sequence[Worded],
        measure: Callable[[Sequence[Worded]], list[float]],
        *,
        adapter: bool,
        listener: Listener,
    ) -> list[float]:
        self._switch(adapter)
        totals = [0.0] * len(rows)
        done = 0
        for batch in batches_by_length([row.ids for row in rows], tokens=BATCH_TOKENS):
            for index, value in zip(batch, measure([rows[index] for index in batch]), strict=True):
                totals[index] = value
            done += len(batch)
            listener(Tick("likelihood", done, len(rows)))
        return totals

    def _fill_nats(self, rows: Sequence[Worded]) -> list[float]:
        targets, owners = targets_of(rows)
        with torch.no_grad():
            nats = fill_nats(self.model, padded_hidden(self.model, rows, pad_id=self.wording.pad_id), targets)
        return _sums(nats, owners, count=len(rows))

    def _nats(self, rows: Sequence[Worded], forward: Forward = padded_states) -> list[float]:
        with torch.no_grad():
            states = forward(self.model, [row.ids for row in rows])
            positions, targets, owners = labelled_positions(rows)
            nats = token_nats(states[positions], head_weight(self.model), targets)
        return _sums(nats, owners, count=len(rows))

    def _answer(self, ids: list[int]) -> Answer:
        ended = bool(ids) and ids[-1] in self.wording.end_ids
        kept = tuple(ids[:-1] if ended else ids)
        return Answer(text=self.wording.decode(kept), ids=kept, ended=ended)


def load_engine(base: Base, *, tuned: ModelDir | None, threads: int | None = None) -> Engine:
    """Load a base and, if given, a tuned model made from it; UserError if the two do not belong together."""
    if threads:
        torch.set_num_threads(threads)
    else:
        use_all_cores()
    facts = tuned.manifest.facts if tuned is not None else {}
    asked: Objective = objective(str(facts.get("objective", "chat")))
    labels, several = tuple(str(label) for label in facts.get("labels") or ()), bool(facts.get("several_labels"))
    if tuned is not None and facts["base_digest"] != base.digest:
        raise UserError(f"{tuned.path}: was trained from another base than '{base.name}' is now. Train it again.")
    loaded = load_model(base, asked, dtype=torch.float32, labels=labels)
    wording = load_wording(base.folder)
    if tuned is not None:
        saved = load_wording(tuned.path)
        if saved.template_hash != wording.template_hash:
            raise UserError(f"{tuned.path}: its tokenizer or template is not the base's (R9). Train it again.")
        if not is_adapter(tuned.path):
            whole = load_whole(tuned.path, base, asked, labels=labels)
            engine = Engine(whole.model, wording=wording, labels=labels, has_adapter=True, untuned=loaded.model)
            engine.objective, engine.pooling = asked.name, loaded.pooling
            engine.new_parts, engine.several = loaded.heads, several
            return engine
        put_adapter(loaded.model, tuned.path, skip=loaded.skip, heads=loaded.heads)
    engine = Engine(loaded.model, wording=wording, labels=labels, has_adapter=tuned is not None)
    engine.objective, engine.pooling, engine.several = asked.name, loaded.pooling, several
    return engine


def _sums(values: Tensor, owners: Tensor, *, count: int) -> list[float]:
    sums = torch.zeros(count, dtype=torch.float64).index_add_(0, owners, values.double())
    return [float(value) for value in sums]


def labelled_positions(rows: Sequence[Worded]) -> tuple[Tensor, Tensor, Tensor]:
    """Where the packed states of `rows` predict a trained token: positions, targets and owning rows, each [N]."""
    positions, targets, owners = [], [], []
    start = 0
    for owner, row in enumerate(rows):
        for place in range(1, len(row.ids)):
            if row.trained[place]:
                positions.append(start + place - 1)
                targets.append(row.ids[place])
                owners.append(owner)
        start += len(row.ids)
    return torch.tensor(positions).long(), torch.tensor(targets).long(), torch.tensor(owners).long()
