"""Batches of a data set on disk: every caption once an epoch, the same for a seed whoever makes them."""

from collections import Counter

import pytest
import torch
from training_toys import pairs_recipe

from model.config import EncoderConfig
from model.datasets import Sample, load_split
from model.errors import DatasetError
from model.text_mask import MASK_ID
from model.tokenizer import Tokenizer
from model.training.batches import Share, prefetched
from model.training.captioned import CaptionedBatches, deal_wrongly


def source_of(folder, parts=1, data=None, **changes):
    captioned = {"kind": "captioned", "name": "folder", "root": str(folder)} | (data or {})
    recipe = pairs_recipe(folder, data=captioned, **changes)
    samples = load_split("folder", folder, "train").samples
    return CaptionedBatches(recipe, samples, EncoderConfig.model_validate(recipe.encoder), parts)


def tensors(batch):
    return {name: value for name, value in vars(batch).items() if isinstance(value, torch.Tensor)}


def assert_equal(one, other):
    assert tensors(one).keys() == tensors(other).keys()
    assert all(torch.equal(value, tensors(other)[name]) for name, value in tensors(one).items())
    assert one.longest == other.longest


@pytest.mark.parametrize("size", [8, 5, 7, 24])
def test_an_epoch_shows_every_caption_once_and_the_next_another_order(size, folder):
    source = source_of(folder, batch_size=size)
    assert source.batches_per_epoch == -(-24 // size)
    orders = []
    for epoch in range(2):
        steps = range(epoch * source.batches_per_epoch, (epoch + 1) * source.batches_per_epoch)
        orders.append(torch.cat([source.batch(step).samples for step in steps]).tolist())
        assert sorted(orders[-1]) == list(range(24))
    assert orders[0] != orders[1]


def test_a_last_batch_too_small_for_every_process_is_left_out(folder):
    assert (
        source_of(folder, batch_size=23).batches_per_epoch == 1
    )  # one row has nothing to be contrasted with
    assert source_of(folder, batch_size=10, parts=2).batches_per_epoch == 3
    assert source_of(folder, batch_size=10, parts=5).batches_per_epoch == 2


def test_a_row_is_the_picture_the_identity_and_the_caption_of_its_sample(folder):
    source = source_of(folder, data={"augmentation": {"flip": 0, "pad": 0, "erase": 0}})
    batch = source.batch(1)
    for row, index in enumerate(batch.samples.tolist()):
        sample = source.samples[index]
        assert batch.identities[row] == sample.identity
        assert torch.equal(batch.ids[row], Tokenizer().encode([sample.caption])[0])
    twins = Counter(source.samples[index].path for index in batch.samples.tolist())
    path, shown = twins.most_common(1)[0]
    rows = [row for row, index in enumerate(batch.samples.tolist()) if source.samples[index].path == path]
    assert len(rows) == shown
    assert all(torch.equal(batch.pixels[rows[0]], batch.pixels[row]) for row in rows)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("losses", [[{"kind": "sdm"}], [{"kind": "sdm"}, {"kind": "hard_captions"}]])
def test_worker_processes_change_nothing(workers, losses, folder):
    source = source_of(folder, losses=losses, published_text_mask=True)
    alone = [source.batch(step) for step in range(2, 7)]
    for one, other in zip(alone, prefetched(source, 2, 7, workers), strict=True):
        assert_equal(one, other)


def test_a_share_is_its_rows_of_the_whole_batch(folder):
    source = source_of(folder, losses=[{"kind": "sdm"}, {"kind": "hard_captions"}], hidden_words=0.2)
    whole = source.batch(4)
    parts = [source.batch(4, Share(part, 3)) for part in range(3)]
    for name in ("pixels", "ids", "hard_ids"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(whole, name))
    for part in parts:
        assert torch.equal(part.identities, whole.identities)
        assert part.longest == whole.longest


def test_another_seed_is_another_order(folder):
    assert not torch.equal(source_of(folder).batch(0).samples, source_of(folder, seed=2).batch(0).samples)


def test_the_identity_sampler_fills_a_batch_with_groups_of_one_person(folder):
    source = source_of(folder, data={"sampler": "identity", "per_identity": 4})
    for step in range(2 * source.batches_per_epoch):
        assert sorted(Counter(source.batch(step).identities.tolist()).values()) == [4, 4]


def test_too_few_people_for_the_identity_sampler_is_said(folder):
    with pytest.raises(DatasetError, match="6 people, too few to fill a batch of 64 with 4 captions"):
        source_of(folder, data={"sampler": "identity"}, batch_size=64)


def test_one_caption_is_too_few(folder):
    recipe = pairs_recipe(folder)
    samples = load_split("folder", folder, "train").samples[:1]
    with pytest.raises(DatasetError, match="1 training captions, too few"):
        CaptionedBatches(recipe, samples, EncoderConfig.model_validate(recipe.encoder))


def test_a_swapped_caption_differs_in_words_and_is_marked(folder):
    source = source_of(folder, losses=[{"kind": "sdm"}, {"kind": "hard_captions"}])
    batch = source.batch(0)
    changed = (batch.ids != batch.hard_ids).any(dim=1)
    assert changed.all()  # every toy caption names a colour
    assert torch.equal(batch.hard_known, changed)
    assert batch.longest >= int(batch.hard_ids.argmax(dim=1).max()) + 1


@pytest.mark.parametrize("hiding", [{"published_text_mask": True}, {"hidden_words": 0.5}])
def test_words_are_hidden_in_swapped_captions_as_in_true_ones(hiding, folder):
    """Or hidden words alone would tell which of the two is true."""
    losses = [{"kind": "sdm"}, {"kind": "hard_captions"}]
    batches = [source_of(folder, losses=losses, **hiding).batch(step) for step in range(6)]
    hidden, kept = (
        torch.cat([(getattr(batch, name) == MASK_ID).any(dim=1) for batch in batches]).double().mean()
        for name in ("ids", "hard_ids")
    )
    assert hidden > 0.8
    assert kept > 0.8


def people(count):
    return [Sample(number % 50, number, f"{number}.png", f"caption {number}") for number in range(count)]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5])
def test_wrong_captions_are_as_many_as_asked_and_belong_to_others(share):
    samples = people(400)
    dealt = deal_wrongly(samples, share, seed=3)
    owner = {sample.caption: sample.identity for sample in samples}
    wrong = [sample for sample, true in zip(dealt, samples, strict=True) if sample.caption != true.caption]
    assert len(wrong) <= 400 * share
    assert len(wrong) >= 0.9 * 400 * share  # a caption that would go to its own person stays where it is
    assert all(owner[sample.caption] != sample.identity for sample in wrong)
    assert [(sample.path, sample.identity) for sample in samples] == [
        (sample.path, sample.identity) for sample in dealt
    ]
