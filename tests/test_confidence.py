"""Trust in pairs: known mixtures are found, a single hump is left whole, a resumed run goes on alike."""

import math

import numpy as np
import pytest
import torch

from model.errors import CheckpointError
from model.training.confidence import ConfidenceRecord, fit_mixture, pair_losses, probability_of_low

MIXTURES = {
    "a fifth wrong": ((0.2, 0.05), (0.7, 0.1), 0.2),
    "half wrong": ((0.3, 0.1), (0.7, 0.08), 0.5),
    "few wrong": ((0.1, 0.02), (0.6, 0.12), 0.05),
    "most wrong": ((0.2, 0.08), (0.8, 0.05), 0.8),
}
every_mixture = pytest.mark.parametrize("mixture", MIXTURES.values(), ids=MIXTURES.keys())


def drawn(mixture, count=20_000, seed=0):
    """Values, and which belong to the higher component."""
    rng = np.random.default_rng(seed)
    low, high, share = mixture
    wrong = rng.random(count) < share
    return np.where(wrong, rng.normal(*high, count), rng.normal(*low, count)), wrong


def density(value, mean, deviation):
    return math.exp(-(((value - mean) / deviation) ** 2) / 2) / (deviation * math.sqrt(2 * math.pi))


def mean_log_likelihood(values, low, high, share):
    return sum(
        math.log((1 - share) * density(value, *low) + share * density(value, *high)) for value in values
    ) / len(values)


def fitted(values):
    fit = fit_mixture(values)
    low, high = zip(fit.means.tolist(), np.sqrt(fit.variances).tolist(), strict=True)
    return low, high, float(fit.shares[1])


@every_mixture
def test_a_known_mixture_is_found(mixture):
    values, wrong = drawn(mixture)
    low, high, share = fitted(values)
    assert low == pytest.approx((values[~wrong].mean(), values[~wrong].std()), abs=0.01)
    assert high == pytest.approx((values[wrong].mean(), values[wrong].std()), abs=0.02)
    assert share == pytest.approx(wrong.mean(), abs=0.01)


@every_mixture
def test_no_mixture_nearby_is_likelier(mixture):
    values, _ = drawn(mixture, count=1000)
    low, high, share = fitted(values)
    best = mean_log_likelihood(values, low, high, share)
    assert best >= mean_log_likelihood(values, *mixture)
    for step in (-0.01, 0.01):
        assert best > mean_log_likelihood(values, (low[0] + step, low[1]), high, share)
        assert best > mean_log_likelihood(values, low, (high[0] + step, high[1]), share)
        assert best > mean_log_likelihood(values, (low[0], low[1] * (1 + step)), high, share)
        assert best > mean_log_likelihood(values, low, (high[0], high[1] * (1 + step)), share)
        assert best > mean_log_likelihood(values, low, high, share + step)


@every_mixture
def test_probabilities_are_those_of_the_mixture_between_its_means(mixture):
    values, _ = drawn(mixture)
    low, high, share = mixture
    judged = probability_of_low(3 + 7 * values)  # the unit of the losses does not matter
    between = (values > low[0]) & (values < high[0])
    expected = [
        (1 - share) * density(v, *low) / ((1 - share) * density(v, *low) + share * density(v, *high))
        for v in values[between]
    ]
    assert np.abs(judged[between] - expected).mean() < 0.02
    assert np.abs(judged[between] - expected).max() < 0.2


@every_mixture
def test_the_wrong_are_told_from_the_true_and_a_lower_loss_is_never_trusted_less(mixture):
    values, wrong = drawn(mixture)
    judged = probability_of_low(values)
    assert judged[~wrong].mean() > 0.95
    assert judged[wrong].mean() < 0.05
    assert (np.diff(judged[np.argsort(values)]) <= 1e-12).all()
    assert judged.min() >= 0
    assert judged.max() <= 1


@pytest.mark.parametrize(
    "shape", ["normal", "exponential", "gamma", "lognormal", "beta", "constant", "outlier"]
)
def test_losses_with_one_hump_are_all_trusted(shape):
    rng = np.random.default_rng(1)
    losses = {
        "normal": rng.normal(size=5000),
        "exponential": rng.exponential(size=5000),
        "gamma": rng.gamma(2, size=5000),
        "lognormal": rng.lognormal(0, 0.5, 5000),
        "beta": rng.beta(2, 5, 5000),
        "constant": np.full(5000, 2.0),
        "outlier": np.append(rng.normal(size=5000), 100.0),
    }[shape]
    assert (probability_of_low(losses) == 1).all()


@pytest.mark.parametrize("losses", [[], [3.0], [1.0, 2.0], [0.0, 0.0, 5.0]])
def test_a_handful_of_losses_is_no_trouble(losses):
    judged = probability_of_low(np.array(losses))
    assert judged.shape == (len(losses),)
    assert np.isfinite(judged).all()


def record_of(losses, warm_epochs=1):
    record = ConfidenceRecord(len(losses), warm_epochs)
    record.note(torch.arange(len(losses)), torch.from_numpy(losses))
    return record


def test_the_first_epochs_trust_everyone():
    losses, wrong = drawn(MIXTURES["a fifth wrong"], count=2000)
    record = record_of(losses, warm_epochs=3)
    everyone = torch.arange(2000)
    for epoch in (1, 2):
        record.divide(epoch)
        assert torch.equal(record.of(everyone), torch.ones(2000))
    record.divide(3)
    trust = record.of(torch.from_numpy(np.flatnonzero(wrong)))
    assert trust.dtype == torch.float32
    assert float(trust.mean()) < 0.05


def test_the_last_loss_counts_and_the_order_of_asking_does_not():
    losses, wrong = drawn(MIXTURES["half wrong"], count=2000)
    record = record_of(np.zeros(2000))
    order = torch.randperm(2000, generator=torch.Generator().manual_seed(3))
    for part in order.split(77):
        record.note(part, torch.from_numpy(losses)[part])
    record.divide(1)
    expected = torch.from_numpy(probability_of_low(losses.astype(np.float32).astype(float))).float()
    assert torch.equal(record.of(order), expected[order])
    assert float(record.of(torch.from_numpy(wrong).nonzero().flatten()).mean()) < 0.1


def test_of_a_caption_given_twice_the_last_loss_is_kept():
    record = ConfidenceRecord(3, 0)
    record.note(torch.tensor([2, 0, 2]), torch.tensor([1.0, 2.0, 3.0], dtype=torch.bfloat16))
    assert record.state_dict()["losses"].tolist()[::2] == [2.0, 3.0]


def test_a_caption_that_was_never_seen_or_has_no_finite_loss_is_trusted():
    losses, _ = drawn(MIXTURES["half wrong"], count=2000)
    losses[:2] = np.nan, np.inf
    record = ConfidenceRecord(2001, 0)
    record.note(torch.arange(2000), torch.from_numpy(losses))
    record.divide(1)
    assert record.of(torch.tensor([0, 1, 2000])).tolist() == [1, 1, 1]
    assert float(record.of(torch.arange(2, 2000)).mean()) == pytest.approx(0.5, abs=0.05)


def test_trust_may_come_back():
    losses, _ = drawn(MIXTURES["half wrong"], count=2000)
    record = record_of(losses)
    record.divide(1)
    record.note(torch.arange(2000), torch.zeros(2000))
    record.divide(2)
    assert torch.equal(record.of(torch.arange(2000)), torch.ones(2000))


def test_a_resumed_record_goes_on_bit_by_bit(tmp_path):
    losses, _ = drawn(MIXTURES["a fifth wrong"], count=500)
    kept = record_of(losses)
    kept.divide(1)
    kept.note(torch.arange(250), torch.from_numpy(losses[250:]))
    torch.save(kept.state_dict(), tmp_path / "state.pt")
    resumed = ConfidenceRecord(500, 1)
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    everyone = torch.arange(500)
    assert torch.equal(resumed.of(everyone), kept.of(everyone))
    for record in (kept, resumed):
        record.divide(2)
    assert torch.equal(resumed.of(everyone), kept.of(everyone))
    assert float(kept.of(everyone).min()) < 0.01


def test_a_state_is_a_copy():
    record = ConfidenceRecord(2, 0)
    state = record.state_dict()
    record.note(torch.tensor([0]), torch.tensor([5.0]))
    assert torch.isnan(state["losses"]).all()


def test_the_state_of_other_data_is_refused():
    with pytest.raises(CheckpointError, match="knows 3 training captions and the data set has 4"):
        ConfidenceRecord(4, 1).load_state_dict(ConfidenceRecord(3, 1).state_dict())


def naive_pair_losses(image, text, identities, scale):
    cosine = torch.nn.functional.normalize(image, dim=1) @ torch.nn.functional.normalize(text, dim=1).T
    found = []
    for row, person in enumerate(identities):
        total = 0.0
        for scores in (cosine[row].tolist(), cosine[:, row].tolist()):
            weights = [math.exp(scale * score) for score in scores]
            own = sum(weight for weight, other in zip(weights, identities, strict=True) if other == person)
            total -= math.log(own / sum(weights))
        found.append(total)
    return found


@pytest.mark.parametrize("identities", [[0, 1, 2, 3], [0, 1, 0, 2, 1], [5, 5, 5], [7]])
def test_pair_losses_are_the_surprise_at_the_own_identity(identities):
    generator = torch.Generator().manual_seed(3)
    image, text = (
        torch.randn(len(identities), 6, generator=generator, dtype=torch.float64, requires_grad=True)
        for _ in range(2)
    )
    rows = pair_losses(image, text, torch.tensor(identities), 8.0)
    expected = naive_pair_losses(image.detach(), text.detach(), identities, 8.0)
    assert rows.tolist() == pytest.approx(expected, abs=1e-5)
    assert rows.dtype == torch.float32
    assert not rows.requires_grad
