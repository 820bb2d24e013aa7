"""What ships against the best checkpoint, on validation: whether a run that could ship something worse did."""

from typing import Any

from luthier.train.scale import Scale
from luthier.train.session import Session


def is_best(session: Session, scale: Scale) -> bool | None:
    """Whether the weights that ship are those of the validated step with the lowest loss; None: nothing was."""
    history = session.history
    if history.best_loss is None:
        return None
    return history.shipped == [history.lowest_step] and scale.factor == 1


def against_best(session: Session, scale: Scale, *, has_answers: bool) -> list[dict[str, Any]]:
    """One line for each validation row, as `SHIPPED_SCHEMA` says; whether it is answered right only where the model
    that ships finds the rows harder, and has not less of what was learnt. The model is left as it is.
    """
    history, learner, rows = session.history, session.setup.learner, session.validation.rows
    shipped = session.validation.look(learner).nats
    right: dict[str, list[float] | None] = {"best": None, "shipped": None}
    if has_answers and scale.factor >= 1 and sum(shipped) > sum(history.best_nats):
        right["shipped"] = learner.right(rows)
        session.setup.method.rescale(1.0)
        session.take_weights([history.lowest_step])
        right["best"] = learner.right(rows)
        session.take_weights(history.shipped)
        session.setup.method.rescale(scale.factor)
    nats = {"best": history.best_nats, "shipped": shipped}
    return [
        {
            "group": row.group,
            **{f"{side}_nats": found[place] for side, found in nats.items()},
            **{f"{side}_right": None if found is None else found[place] for side, found in right.items()},
        }
        for place, row in enumerate(rows)
    ]
