"""The loop: learn from every step's rows; hooks validate, save and stop."""

from collections.abc import Callable, Sequence

from luthier.train.batches import StepPlan
from luthier.train.learner import Learned, Learner
from luthier.train.stopping import History

Hook = Callable[[StepPlan, Learned], None]


def train_loop(
    learner: Learner, steps: Sequence[StepPlan], *, history: History, after_step: Sequence[Hook] = ()
) -> None:
    """Do the steps that `history` has not seen yet, until all are done or a hook says to stop."""
    while history.step < len(steps) and not history.stopped_early:
        plan = steps[history.step]
        learned = learner.learn(plan, of=len(steps), history=history)
        history.step = plan.index
        for hook in after_step:
            hook(plan, learned)
