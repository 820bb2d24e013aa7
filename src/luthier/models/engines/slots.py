"""Many answers at once: keys and values in slots, and a slot that becomes free takes the next prompt.

Every row is computed in float32 from its own prompt, so its answer depends on its neighbours by rounding only.
"""

# M admitted rows, N rows or tokens computed at once, H query heads, K key heads, G queries per key head, D head size,
# P prefix, L longest row beyond it, V vocabulary, C cells of a slot

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from luthier.models.engines.choose import Chooser, choose
from luthier.models.engines.engine import Sampling
from luthier.models.engines.layers import Layers
from luthier.models.forward import TokenRows
from luthier.models.machine import keeping_freed_memory

ROWS = 64
"""Slots: rows computed at once."""
CACHE_BYTES = 5 * 2**27
"""Of keys and values; longer prompts get fewer slots."""
PIECE = 512
"""Tokens of prompts that are read at once: more are no faster, and pad rows of unlike lengths."""
STRETCH = 2
"""Prompts share slots while the longest row is at most this many times the shortest."""
ROUND = 8
"""Row counts are multiples of this, because oneDNN keeps a compiled product for every count it has met."""
WAIT = 8
"""A prompt is admitted when one in so many slots is free: reading one prompt takes as long as reading several."""


class Slots:
    """Rows that are being written, in slots 0 to n - 1, all beginning with one shared prefix."""

    def __init__(self, layers: Layers, *, adapter: bool, count: int, cells: int, prefix: Sequence[int] = ()) -> None:
        self._layers = layers
        self._adapter = adapter
        self._prefix = len(prefix)
        self._shared: list[tuple[Tensor, Tensor]] = []
        if prefix:
            self._read_prefix(prefix)
        shape = (len(layers.layers), -(-count // ROUND) * ROUND, layers.key_heads, cells, layers.head_size)
        self._keys = torch.zeros(shape)
        self._values = torch.zeros(shape)
        self.lengths: list[int] = []
        """Tokens of each row beyond the prefix."""

    @torch.no_grad()
    def admit(self, rows: TokenRows) -> Tensor:
        """Put rows, given without the prefix, into the next slots; returns the logits [M, V] after them."""
        first, lengths = len(self.lengths), [len(row) for row in rows]
        longest, heads = max(lengths), self._layers.heads
        owners = torch.arange(len(rows)).repeat_interleave(torch.tensor(lengths))
        places = torch.cat([torch.arange(length) for length in lengths])
        spread = owners * longest + places
        masks = {window: self._prompt_mask(longest, window) for window in self._windows()}

        def attend(index: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            q, k, v = (
                part.new_zeros(len(rows) * longest, *part.shape[1:])
                .index_copy_(0, spread, part[: len(spread)])
                .view(len(rows), longest, -1, part.shape[-1])
                .transpose(1, 2)
                for part in (queries, keys, values)
            )
            self._keys[index, first : first + len(rows), :, :longest] = k
            self._values[index, first : first + len(rows), :, :longest] = v
            if self._prefix:
                k, v = (
                    torch.cat([shared.expand(len(rows), -1, -1, -1), own], dim=2)
                    for shared, own in zip(self._shared[index], (k, v), strict=True)
                )
            mask = masks[self._layers.layers[index].window]
            mixed = F.scaled_dot_product_attention(
                q, k, v, attn_mask=mask, is_causal=mask is None, scale=1.0, enable_gqa=True
            )
            found = queries.new_zeros(len(queries), heads * queries.shape[-1])
            found[: len(spread)] = mixed.transpose(1, 2).flatten(0, 1)[spread].flatten(1)
            return found

        ids = torch.tensor([token for row in rows for token in row])
        filler = -len(ids) % (4 * ROUND) if len(ids) > ROUND else 0
        positions = F.pad(places + self._prefix, (0, filler))
        states = self._layers.states(F.pad(ids, (0, filler)), positions, attend, adapter=self._adapter)
        self.lengths += lengths
        return self._layers.logits(states[torch.tensor(lengths).cumsum(0) - 1])

    @torch.no_grad()
    def step(self, tokens: Sequence[int]) -> Tensor:
        """Append one token to every row; returns the logits [n, V] after it."""
        live = len(self.lengths)
        width = live if live <= 2 else -(-live // ROUND) * ROUND  # the last ones are free slots: nobody reads them
        own = torch.tensor(self.lengths + [0] * (width - live))
        longest = int(own.max()) + 1
        masks = {window: self._step_mask(own, longest, window) for window in self._windows()}
        slots = torch.arange(width)
        key_heads = self._layers.key_heads

        def attend(index: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            self._keys[index][slots, :, own] = keys
            self._values[index][slots, :, own] = values
            k = self._keys[index, :width, :, :longest].flatten(0, 1)
            v = self._values[index, :width, :, :longest].flatten(0, 1)
            q = queries.reshape(width * key_heads, -1, queries.shape[-1])
            # Keys times queries: the other way round takes MKL up to twice as long.
            scores = torch.bmm(k, q.transpose(1, 2)).transpose(1, 2).view(width, key_heads, -1, longest)
            if not self._prefix:
                chances = scores.contiguous().add_(masks[self._layers.layers[index].window]).softmax(dim=-1)
                return torch.bmm(chances.flatten(0, 1), v).view(width, -1)
            shared_k, shared_v = (part[0] for part in self._shared[index])
            groups = queries.view(width, key_heads, -1, queries.shape[-1]).transpose(0, 1).flatten(1, 2)
            before = torch.bmm(groups, shared_k.transpose(1, 2)).view(key_heads, width, -1, self._prefix)
            scores = torch.cat([before.transpose(0, 1), scores], dim=-1)
            chances = scores.add_(masks[self._layers.layers[index].window]).softmax(dim=-1)
            far, near = chances.split([self._prefix, longest], dim=-1)
            mixed = torch.bmm(near.flatten(0, 1), v).view(width, key_heads, -1, queries.shape[-1])
            mixed += (
                torch.bmm(far.transpose(0, 1).flatten(1, 2), shared_v).view_as(mixed.transpose(0, 1)).transpose(0, 1)
            )
            return mixed.view(width, -1)

        ids = torch.tensor([*tokens, *[0] * (width - live)])
        states = self._layers.states(ids, own + self._prefix, attend, adapter=self._adapter)
        self.lengths = [length + 1 for length in self.lengths]
        return self._layers.logits(states)[:live]

    def drop(self, place: int) -> None:
        """Free a slot; the row of the last slot moves there."""
        last = len(self.lengths) - 1
        length = self.lengths.pop()
        if place < last:
            for held in (self._keys, self._values):
                held[:, place, :, :length] = held[:, last, :, :length]
            self.lengths[place] = length

    def _read_prefix(self, prefix: Sequence[int]) -> None:
        """Keys and values [1, K, P, D] of the prefix, layer by layer, from a slot of its own."""
        alone = Slots(self._layers, adapter=self._adapter, count=1, cells=len(prefix))
        alone.admit([prefix])
        for keys, values in zip(alone._keys, alone._values, strict=True):
            self._shared.append((keys[:1].clone(), values[:1].clone()))

    def _windows(self) -> set[int | None]:
        return {layer.window for layer in self._layers.layers}

    def _prompt_mask(self, length: int, window: int | None) -> Tensor | None:
        """[L, P+L] True where a token may look; None where that is all before it."""
        total = self._prefix + length
        if not self._prefix and (not window or length <= window):
            return None
        allowed = torch.ones(length, total, dtype=torch.bool).tril(self._prefix)
        return allowed.triu(self._prefix + 1 - window) if window else allowed

    def _step_mask(self, own: Tensor, longest: int, window: int | None) -> Tensor:
        """[N, 1, 1, P+L] zero where a row's next token looks, minus infinity elsewhere."""
        places = torch.arange(self._prefix + longest)
        present = own[:, None] + self._prefix
        hidden = places > present
        if window:
            hidden |= places <= present - window
        return torch.zeros(hidden.shape).masked_fill_(hidden, -torch.inf)[:, None, None]


@dataclass(slots=True)
class _Row:
    """A prompt on its way."""

    index: int
    ids: Sequence[int]
    chooser: Chooser
    room: int
    written: list[int] = field(default_factory=list)


class SlotDecoder:
    """Writes with layers that were read from a model, its adapters on or off."""

    def __init__(self, layers: Layers, *, adapter: bool) -> None:
        self.layers = layers
        self.adapter = adapter

    def write(
        self,
        prompts: TokenRows,
        choosers: Sequence[Chooser],
        *,
        ends: Sequence[int],
        context: int,
        report: Callable[[int], None],
    ) -> list[list[int]]:
        """Continue the prompts, each by its own chooser, end tokens kept; `report` hears how many are done."""
        rows = [
            _Row(index, prompt, chooser, min(chooser.sampling.max_tokens, context - len(prompt)))
            for index, (prompt, chooser) in enumerate(zip(prompts, choosers, strict=True))
        ]
        waiting = sorted((row for row in rows if row.room > 0), key=lambda row: (-len(row.ids) - row.room, row.index))
        shared = list(waiting[0].ids[: shared_prefix([row.ids for row in waiting])]) if waiting else []
        done = 0
        with keeping_freed_memory():
            for group in _groups(waiting, shared=len(shared)):
                cells = len(group[0].ids) + group[0].room - len(shared)
                for finished in self._write_group(group, cells=cells, shared=shared, ends=ends):
                    done += finished
                    report(done)
        return [row.written for row in rows]

    def stream(self, prompt: Sequence[int], sampling: Sampling, *, ends: Sequence[int], context: int) -> Iterator[int]:
        """Tokens of one answer as they are chosen, the end token left out."""
        room = min(sampling.max_tokens, context - len(prompt))
        if room < 1:
            return
        slots = Slots(self.layers, adapter=self.adapter, count=1, cells=len(prompt) + room)
        chooser = Chooser(sampling)
        logits = slots.admit([prompt])
        for count in range(1, room + 1):
            [token] = choose(logits, [chooser])
            if token in ends:
                return
            yield token
            if count < room:
                logits = slots.step([token])

    def _write_group(
        self, waiting: list[_Row], *, cells: int, shared: Sequence[int], ends: Sequence[int]
    ) -> Iterator[int]:
        """Write rows that share slots of `cells` cells; yields how many have ended since."""
        count = min(len(waiting), self._slots(cells))
        slots = Slots(self.layers, adapter=self.adapter, count=count, cells=cells, prefix=shared)
        live: list[_Row] = []
        queue = deque(waiting)
        while queue or live:
            free = count - len(live)
            if queue and (not live or free * WAIT >= count):
                entering = [queue.popleft() for _ in range(min(free, len(queue)))]
                for piece in _pieces(entering, shared=len(shared)):
                    _note(piece, slots.admit([row.ids[len(shared) :] for row in piece]))
                live += entering
            else:
                _note(live, slots.step([row.written[-1] for row in live]))
            ended = [place for place, row in enumerate(live) if row.written[-1] in ends or len(row.written) == row.room]
            for place in reversed(ended):
                slots.drop(place)
                live[place] = live[-1]
                live.pop()
            if ended:
                yield len(ended)

    def _slots(self, cells: int) -> int:
        cell = 8 * len(self.layers.layers) * self.layers.key_heads * self.layers.head_size
        return max(1, min(ROWS, CACHE_BYTES // (cell * cells)))


def shared_prefix(rows: TokenRows) -> int:
    """How many tokens all rows begin with, at least one token of each row left over."""
    most = min(len(row) for row in rows) - 1
    first = rows[0]
    for place in range(most):
        if any(row[place] != first[place] for row in rows):
            return place
    return most


def _note(rows: Sequence[_Row], logits: Tensor) -> None:
    for row, token in zip(rows, choose(logits, [row.chooser for row in rows]), strict=True):
        row.written.append(token)


def _groups(rows: Sequence[_Row], *, shared: int) -> list[list[_Row]]:
    """Rows, longest first, in groups that waste few cells."""
    groups: list[list[_Row]] = []
    for row in rows:
        size = len(row.ids) + row.room - shared
        if groups and len(groups[-1][0].ids) + groups[-1][0].room - shared <= STRETCH * size:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def _pieces(rows: Sequence[_Row], *, shared: int) -> list[list[_Row]]:
    """Rows in order, at most PIECE tokens at once where a row alone has not more."""
    pieces: list[list[_Row]] = []
    size = 0
    for row in rows:
        length = len(row.ids) - shared
        if pieces and size + length <= PIECE:
            pieces[-1].append(row)
            size += length
        else:
            pieces.append([row])
            size = length
    return pieces
