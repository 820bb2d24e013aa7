"""How much a model is at fault for what it makes of better and worse answers: one formula for each way to prefer."""

# A answers, P pairs

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Terms:
    """A way to prefer, settled."""

    kind: str
    beta: float
    margin: float = 0.0
    good: float = 1.0
    """Weight of an answer that was called good, where answers are rated one by one."""
    bad: float = 1.0

    @property
    def needs_base(self) -> bool:
        """Whether answers are judged against what the base makes of them."""
        return self.kind in {"dpo", "ipo", "kto"}


@dataclass(frozen=True, slots=True)
class Pairs:
    """What a model makes of two answers to one prompt, the better first."""

    logp_P2: Tensor
    """Log-likelihood of each answer, its end of turn included."""
    base_P2: Tensor
    """The same of the base; not looked at by ways that do not need it."""
    tokens_P2: Tensor

    @property
    def log_ratio(self) -> Tensor:
        """How much likelier than the base the model finds an answer, its implicit reward over beta: [P, 2]."""
        return self.logp_P2 - self.base_P2

    @property
    def mean(self) -> Tensor:
        """Log-likelihood per token: [P, 2]."""
        return self.logp_P2 / self.tokens_P2


def dpo(pairs: Pairs, terms: Terms) -> Tensor:
    """-log sigma(beta (lead of the better's log ratio)) (Rafailov et al. 2023, arXiv:2305.18290, eq. 7): [P]."""
    return -F.logsigmoid(terms.beta * _lead(pairs.log_ratio))


def ipo(pairs: Pairs, terms: Terms) -> Tensor:
    """(lead - 1 / (2 beta))^2 (Azar et al. 2024, arXiv:2310.12036, eq. 17): [P].

    Log ratios are per token, as its authors computed them: summed ones would make the square grow with the length.
    """
    return (_lead(pairs.log_ratio / pairs.tokens_P2) - 1 / (2 * terms.beta)).square()


def orpo(pairs: Pairs, terms: Terms) -> Tensor:
    """Nats per token of the better answer - beta log sigma(log odds ratio) (Hong et al. 2024, arXiv:2403.07691, eq. 6
    and 7): [P]. The odds of an answer are p / (1 - p) with its likelihood per token p.
    """
    mean_P2 = pairs.mean
    odds_P2 = mean_P2 - (-mean_P2.expm1()).log()
    return -mean_P2[:, 0] - terms.beta * F.logsigmoid(_lead(odds_P2))


def simpo(pairs: Pairs, terms: Terms) -> Tensor:
    """-log sigma(beta (lead per token) - margin) (Meng et al. 2024, arXiv:2405.14734, eq. 6): [P]."""
    return -F.logsigmoid(terms.beta * _lead(pairs.mean) - terms.margin)


def kto(log_ratio_A: Tensor, good_A: Tensor, terms: Terms, *, neutral: float) -> Tensor:
    """lambda (1 - sigma(beta (log ratio - neutral))) for good answers, the sign turned for bad ones (Ethayarajh et al.
    2024, arXiv:2402.01306, eq. 8): [A]. `neutral` estimates KL(tuned || base), and no gradient goes through it.
    """
    sign_A, weight_A = 2 * good_A - 1, terms.bad + (terms.good - terms.bad) * good_A
    return weight_A * (-terms.beta * sign_A * (log_ratio_A - neutral)).sigmoid()


def _lead(values_P2: Tensor) -> Tensor:
    return values_P2[:, 0] - values_P2[:, 1]


OF_PAIRS: dict[str, Callable[[Pairs, Terms], Tensor]] = {"dpo": dpo, "ipo": ipo, "orpo": orpo, "simpo": simpo}
