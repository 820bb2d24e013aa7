"""Which loss file learns which objective."""

from luthier.train.losses import chat, classify, embed, extract, fill, prefer, reinforce, reward, tag
from luthier.train.losses.way import Choose

WAYS: dict[str, Choose] = {
    "complete": chat.choose_way,
    "chat": chat.choose_way,
    "classify": classify.choose_way,
    "tag": tag.choose_way,
    "extract": extract.choose_way,
    "prefer": prefer.choose_way,
    "reinforce": reinforce.choose_way,
    "reward": reward.choose_way,
    "embed": embed.choose_way,
    "fill": fill.choose_way,
}
