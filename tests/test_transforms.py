"""Preprocessing and augmentation against torchvision's transforms, an independent implementation."""

import numpy as np
import pytest
import torch
from PIL import Image

from model.torchvision_shim import ensure_torchvision_imports
from model.transforms import AugmentationConfig, Preprocess, TrainTransform

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
SIZE = (48, 16)


@pytest.fixture(scope="module")
def torchvision_transforms():
    ensure_torchvision_imports()
    from torchvision import transforms

    return transforms


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(100, 40), (30, 12), (48, 16), (61, 37), (1, 1), (7, 300)])
def test_preprocess_equals_torchvision(torchvision_transforms, shape):
    tv = torchvision_transforms
    reference = tv.Compose([tv.Resize(SIZE), tv.ToTensor(), tv.Normalize(MEAN, STD)])
    pixels = picture(*shape)
    expected = reference(Image.fromarray(pixels))
    result = Preprocess(SIZE, MEAN, STD)(pixels)
    torch.testing.assert_close(result, expected, atol=1e-6, rtol=0)
    assert torch.equal(Preprocess(SIZE, MEAN, STD)(Image.fromarray(pixels)), result)
    assert result.is_contiguous()


@pytest.mark.parametrize("seed", range(12))
def test_train_transform_repeats_torchvisions_draws(torchvision_transforms, seed):
    tv = torchvision_transforms
    reference = tv.Compose(
        [
            tv.Resize(SIZE),
            tv.RandomHorizontalFlip(0.5),
            tv.Pad(10),
            tv.RandomCrop(SIZE),
            tv.ToTensor(),
            tv.Normalize(MEAN, STD),
            tv.RandomErasing(scale=(0.02, 0.4), value=MEAN),
        ]
    )
    pixels = picture(100, 40)
    torch.manual_seed(seed)
    expected = reference(Image.fromarray(pixels))
    torch.manual_seed(seed)
    torch.testing.assert_close(TrainTransform(SIZE, MEAN, STD)(pixels), expected, atol=1e-6, rtol=0)


def test_a_generator_of_ones_own_leaves_the_global_one_alone():
    state = torch.get_rng_state()
    first = TrainTransform(SIZE, MEAN, STD, generator=torch.Generator().manual_seed(4))(picture(60, 30))
    second = TrainTransform(SIZE, MEAN, STD, generator=torch.Generator().manual_seed(4))(picture(60, 30))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)


def test_switched_off_it_is_the_preprocessing():
    off = AugmentationConfig(flip=0, pad=0, erase=0)
    pixels = picture(60, 30)
    assert torch.equal(TrainTransform(SIZE, MEAN, STD, off)(pixels), Preprocess(SIZE, MEAN, STD)(pixels))


def test_an_always_flipping_transform_mirrors():
    flip = AugmentationConfig(flip=1, pad=0, erase=0)
    pixels = picture(*SIZE)
    mirrored = Preprocess(SIZE, MEAN, STD)(np.ascontiguousarray(pixels[:, ::-1]))
    assert torch.equal(TrainTransform(SIZE, MEAN, STD, flip)(pixels), mirrored)


def test_modes_other_than_rgb_are_converted():
    grey = Image.fromarray(picture(20, 10)[:, :, 0])
    result = Preprocess(SIZE, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))(grey)
    assert result.shape == (3, *SIZE)
    assert torch.equal(result[0], result[2])


@pytest.mark.parametrize(
    "wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3))]
)
def test_arrays_that_are_no_picture_are_refused(wrong):
    with pytest.raises(ValueError, match="a picture is uint8"):
        Preprocess(SIZE, MEAN, STD)(wrong)
