"""Dropout with cheaper bits: what torch's does, in distribution."""

import pytest
import torch
from torch import nn

from luthier.models.dropout import Dropout, kept, quicken_dropout


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_elements_are_dropped_independently_and_the_mean_stays(share: float) -> None:
    torch.manual_seed(0)
    factors = kept(torch.empty(200, 1000), share)
    assert factors.unique().tolist() == pytest.approx([0, 1 / (1 - share)])
    gone = (factors == 0).double()
    error = (share * (1 - share) / gone.numel()) ** 0.5
    assert abs(float(gone.mean()) - share) < 5 * error
    for apart in (1, 2, 3, 4, 5):  # four neighbours share a draw
        both = (gone[:, apart:] * gone[:, :-apart]).mean()
        assert abs(float(both) - share**2) < 5 * error


def test_what_is_dropped_gets_no_gradient_and_the_generator_decides() -> None:
    x = torch.ones(7, 9, requires_grad=True)
    torch.manual_seed(3)
    y = Dropout(0.4)(x)
    y.backward(torch.full_like(y, 2.0))
    assert x.grad is not None
    assert torch.equal(x.grad, 2 * y.detach())
    torch.manual_seed(3)
    assert torch.equal(Dropout(0.4)(x), y)
    assert not torch.equal(Dropout(0.4)(x), y)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_ends_are_exact(share: float) -> None:
    assert torch.equal(Dropout(share)(torch.ones(5)), torch.full((5,), 1 - share))


def test_a_model_keeps_its_probabilities_and_drops_nothing_when_it_is_asked() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.Dropout(0.2)), nn.Dropout(0.3))
    quicken_dropout(model)
    found = [module for module in model.modules() if isinstance(module, nn.Dropout)]
    assert [(type(module), module.p) for module in found] == [(Dropout, 0.2), (Dropout, 0.3)]
    model.eval()
    x = torch.randn(4, 3)
    assert torch.equal(model(x), model[0](x))
