"""torch's optimisers as the training takes them: the same steps, and torch's compiler is not asked for."""

from __future__ import annotations

import sys

import pytest
import torch

from model_training import optimisers


@pytest.fixture(autouse=True)
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """To import it fails, whoever has imported it before."""
    monkeypatch.setitem(sys.modules, "torch._dynamo", None)


@pytest.mark.parametrize(("kind", "decoupled"), [(optimisers.Adam, False), (optimisers.AdamW, True)])
def test_the_first_step_goes_against_the_gradient(kind: type[torch.optim.Optimizer], decoupled: bool) -> None:
    """It is as long as the rate, whatever the gradient; AdamW's decay goes into the weight, Adam's into the gradient."""
    weight = torch.tensor([4.0, -4.0, 4.0], requires_grad=True)
    optimiser = kind([{"params": [weight], "base": 1.0}], lr=0.25, weight_decay=0.5)  # type: ignore[call-arg]
    (weight * torch.tensor([3.0, 3.0, -1.0])).sum().backward()
    optimiser.step()
    expected = [3.25, -3.75, 3.75] if decoupled else [3.75, -4.25, 3.75]
    assert weight.detach().tolist() == pytest.approx(expected)
    optimiser.zero_grad()
    assert weight.grad is None
    again = kind([weight], lr=0.1)  # type: ignore[call-arg]
    again.load_state_dict(optimiser.state_dict())
    assert again.param_groups[0]["lr"] == 0.25


def test_a_closure_is_differentiated() -> None:
    weight = torch.tensor([4.0], requires_grad=True)
    optimiser = optimisers.LBFGS([weight], line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = ((weight - 1) ** 2).sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    assert weight.item() == pytest.approx(1.0, abs=1e-5)
