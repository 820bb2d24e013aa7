"""Products by oneDNN are torch's."""

from time import perf_counter

import pytest
import torch
from torch import Tensor, nn

from luthier.models.products import QuickLinear, product, quicken_products

SHAPES = [((7, 16), 24), ((1, 5), 3), ((2, 3, 8), 9), ((0, 4), 2)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("shape", "outputs"), SHAPES)
@pytest.mark.parametrize("has_bias", [False, True])
def test_products_are_those_of_torch(shape: tuple[int, ...], outputs: int, has_bias: bool, dtype: torch.dtype) -> None:
    x, bias = torch.randn(shape, dtype=dtype), torch.randn(outputs, dtype=dtype) if has_bias else None
    weight = torch.randn(outputs, shape[-1], dtype=dtype)
    expected = nn.functional.linear(x, weight, bias)
    for laid_out in (weight, weight.t().contiguous().t(), nn.functional.pad(weight, (0, 5))[:, : shape[-1]]):
        torch.testing.assert_close(product(x, laid_out, bias), expected)


def test_both_may_lie_the_other_way_round() -> None:
    x, weight = torch.randn(8, 6), torch.randn(8, 5)
    torch.testing.assert_close(product(x.t(), weight.t()), x.t() @ weight)


def test_a_weight_that_is_part_of_a_wider_matrix_costs_no_hundred_times_as_long() -> None:
    x, wide = torch.randn(64, 576), torch.randn(576, 608)

    def seconds(weight: Tensor) -> float:
        product(x, weight)
        start = perf_counter()
        product(x, weight)
        return perf_counter() - start

    dense = wide[:, :576].contiguous()
    assert min(seconds(wide[:, :576]) for _ in range(3)) < 50 * max(seconds(dense) for _ in range(3))


def test_a_quick_model_keeps_its_weights_and_its_gradients() -> None:
    inner = nn.Sequential(nn.Linear(4, 5), nn.Sequential(nn.Linear(5, 2, bias=False)))
    x, slopes = torch.randn(3, 7, 4, requires_grad=True), torch.randn(3, 7, 2)
    names, weights = list(inner.state_dict()), list(inner.parameters())

    def gradients() -> tuple[Tensor, ...]:
        return torch.autograd.grad(inner(x), [x, *weights], slopes)

    expected, plain = inner(x).detach(), gradients()
    quicken_products(inner)
    assert list(inner.state_dict()) == names
    assert all(one is other for one, other in zip(inner.parameters(), weights, strict=True))
    assert sum(isinstance(module, QuickLinear) for module in inner.modules()) == 2
    with torch.no_grad():
        torch.testing.assert_close(inner(x), expected)
    torch.testing.assert_close(gradients(), plain)
