"""Which file asks the exam of which objective."""

from luthier.evaluate.sitting import Sit
from luthier.evaluate.tasks import classify, generate, likelihood, prefer, reward

SITS: dict[str, Sit] = {
    "complete": likelihood.sit,
    "chat": generate.sit,
    "classify": classify.sit,
    "prefer": prefer.sit,
    "reward": reward.sit,
}
