"""Which file asks the exam of which objective."""

from luthier.evaluate.sitting import Sit
from luthier.evaluate.tasks import classify, embed, extract, fill, generate, likelihood, prefer, reward, tag

SITS: dict[str, Sit] = {
    "complete": likelihood.sit,
    "chat": generate.sit,
    "classify": classify.sit,
    "embed": embed.sit,
    "prefer": prefer.sit,
    "reinforce": generate.sit,
    "reward": reward.sit,
    "tag": tag.sit,
    "extract": extract.sit,
    "fill": fill.sit,
}
