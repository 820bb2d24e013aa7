"""Which file asks the exam of which objective."""

from luthier.evaluate.sitting import Sit
from luthier.evaluate.tasks import classify, generate, likelihood

SITS: dict[str, Sit] = {
    "complete": likelihood.sit,
    "chat": generate.sit,
    "classify": classify.sit,
}
