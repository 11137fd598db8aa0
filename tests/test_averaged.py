"""Averaged weights against the recursion in plain numbers; the model's own weights come back bit by bit."""

import pytest
import torch
from torch import nn

from model.errors import CheckpointError
from model.training.averaged import AveragedWeights


class Net(nn.Module):
    """A trained layer, a frozen one, and batch normalisation with its buffers."""

    def __init__(self, width=3):
        super().__init__()
        self.trained = nn.Linear(width, 2)
        self.frozen = nn.Linear(2, 2).requires_grad_(False)
        self.norm = nn.BatchNorm1d(2)

    def forward(self, x):
        return self.norm(self.frozen(self.trained(x)))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net()


def trained_steps(net, averages, first, last):
    """Random walks of the weights; the first bias after each step."""
    seen = []
    for step in range(first, last):
        generator = torch.Generator().manual_seed(step)
        with torch.no_grad():
            for parameter in net.parameters():
                if parameter.requires_grad:
                    parameter += torch.randn(parameter.shape, generator=generator)
        averages.update(step)
        seen.append(net.trained.bias[0].item())
    return seen


def snapshot(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
def test_equals_the_recursion(net, decay):
    average = net.trained.bias[0].item()
    averages = AveragedWeights(net.named_parameters(), decay)
    for step, value in enumerate(trained_steps(net, averages, 0, 40)):
        kept = min(decay, (1 + step) / (10 + step))
        average = kept * average + (1 - kept) * value
    assert averages.state_dict()["trained.bias"][0].item() == pytest.approx(average, abs=1e-5)


def test_starts_as_the_weights_and_follows_only_the_trainable(net):
    averages = AveragedWeights(net.named_parameters(), 0.9)
    state = averages.state_dict()
    assert list(state) == ["trained.weight", "trained.bias", "norm.weight", "norm.bias"]
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in state.items())


def test_applied_swaps_in_and_back(net):
    averages = AveragedWeights(net.named_parameters(), 0.9)
    trained_steps(net, averages, 0, 5)
    net(torch.randn(8, 3))  # moves the running statistics
    before = snapshot(net)
    expected = before | snapshot_of(averages)
    with averages.applied():
        assert same(snapshot(net), expected)
        assert not torch.equal(net.trained.weight, before["trained.weight"])
    assert same(snapshot(net), before)


def snapshot_of(averages):
    return {name: value.clone() for name, value in averages.state_dict().items()}


@torch.no_grad()
def evaluate_badly(net):
    net.trained.weight.zero_()
    raise RuntimeError("evaluation failed")


def test_applied_swaps_back_after_an_error(net):
    averages = AveragedWeights(net.named_parameters(), 0.9)
    trained_steps(net, averages, 0, 5)
    before, kept = snapshot(net), snapshot_of(averages)
    with pytest.raises(RuntimeError, match="evaluation failed"), averages.applied():
        evaluate_badly(net)
    assert same(snapshot(net), before)
    assert same(snapshot_of(averages), kept)


def test_an_optimizer_and_its_gradients_are_left_alone(net):
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad])
    averages = AveragedWeights(net.named_parameters(), 0.9)
    x = torch.randn(8, 3)
    net(x).square().mean().backward()
    gradient = net.trained.weight.grad.clone()
    optimizer.step()
    averages.update(0)
    with averages.applied(), torch.no_grad():
        net(x)
    assert torch.equal(net.trained.weight.grad, gradient)
    before = net.trained.weight.detach().clone()
    optimizer.step()
    assert not torch.equal(net.trained.weight, before)


def test_averages_of_half_weights_are_kept_in_float32():
    net = nn.Linear(1, 1, bias=False).bfloat16()
    nn.init.ones_(net.weight)
    averages = AveragedWeights(net.named_parameters(), 0.999)
    nn.init.constant_(net.weight, 1.0078125)  # the next bfloat16: no average in bfloat16 could lie between
    averages.update(10_000)
    average = averages.state_dict()["weight"]
    assert average.dtype == torch.float32
    assert average.item() == pytest.approx(1 + 0.001 * 0.0078125, abs=1e-7)
    with averages.applied():
        assert net.weight.dtype == torch.bfloat16
        assert net.weight.item() == 1


def test_a_resumed_average_goes_on_bit_by_bit(net, tmp_path):
    averages = AveragedWeights(net.named_parameters(), 0.9)
    trained_steps(net, averages, 0, 7)
    torch.save({"net": net.state_dict(), "averages": averages.state_dict()}, tmp_path / "state.pt")
    trained_steps(net, averages, 7, 12)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    other = Net()
    resumed = AveragedWeights(other.named_parameters(), 0.9)
    other.load_state_dict(state["net"])
    resumed.load_state_dict(state["averages"])
    trained_steps(other, resumed, 7, 12)
    assert same(snapshot_of(resumed), snapshot_of(averages))


def test_loading_leaves_the_given_tensors_alone(net):
    averages = AveragedWeights(net.named_parameters(), 0.9)
    given = {name: torch.zeros_like(value) for name, value in averages.state_dict().items()}
    averages.load_state_dict(given)
    averages.update(0)
    assert not any(value.any() for value in given.values())


def test_averages_of_another_network_are_refused(net):
    state = AveragedWeights(net.named_parameters(), 0.9).state_dict()
    with pytest.raises(CheckpointError, match="other weights"):
        AveragedWeights(Net(width=4).named_parameters(), 0.9).load_state_dict(state)
    state.pop("norm.bias")
    with pytest.raises(CheckpointError, match="other weights"):
        AveragedWeights(net.named_parameters(), 0.9).load_state_dict(state)


def test_misuse_is_refused(net):
    for decay in (-0.1, 1.0):
        with pytest.raises(ValueError, match="decay"):
            AveragedWeights(net.named_parameters(), decay)
    with pytest.raises(ValueError, match="nothing to average"):
        AveragedWeights(net.frozen.named_parameters(), 0.9)
