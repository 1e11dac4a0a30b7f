"""Transforms that draw at random, the ones of arrays, and wrong arguments."""

import random

import numpy as np
import pytest
from PIL import Image

import wherry as paddle
from wherry.vision import models, transforms

ARRAY = np.random.RandomState(0).randint(0, 256, (40, 30, 3)).astype("uint8")
IMAGE = Image.fromarray(ARRAY)


@pytest.mark.parametrize("image", [IMAGE, ARRAY], ids=["pil", "array"])
@pytest.mark.parametrize("make, size", [
    (lambda: transforms.RandomCrop(20), (20, 20)),
    (lambda: transforms.RandomCrop((50, 20), padding=2, pad_if_needed=True), (50, 20)),
    (lambda: transforms.RandomResizedCrop(16), (16, 16)),
    (lambda: transforms.RandomRotation(30), (40, 30)),
    (lambda: transforms.ColorJitter(0.4, 0.4, 0.4, 0.2), (40, 30)),
    (lambda: transforms.RandomVerticalFlip(), (40, 30)),
    (lambda: transforms.Pad(3), (46, 36)),
    (lambda: transforms.Grayscale(3), (40, 30)),
])  # fmt: skip
def test_the_result_has_the_size_and_the_kind_of_the_image(make, size, image):
    result = make()(image)
    assert isinstance(result, (type(image), Image.Image))
    assert np.array(result).shape == (*size, 3)
    assert np.array(result).dtype == np.uint8


def test_a_crop_is_a_part_of_the_image():
    for _ in range(20):
        part = transforms.RandomCrop(4)(ARRAY)
        windows = np.lib.stride_tricks.sliding_window_view(ARRAY, (4, 4, 3))
        assert (windows[:, :, 0] == part).all(axis=(2, 3, 4)).any()


def test_a_flip_has_its_probability():
    random.seed(1)
    flip = transforms.RandomHorizontalFlip(0.25)
    flipped = sum(np.array_equal(flip(ARRAY), ARRAY[:, ::-1]) for _ in range(400))
    assert 70 < flipped < 130


def test_arrays_are_resized_by_the_middles_of_pixels():
    line = np.array([[0.0, 1.0, 2.0, 3.0]], "float32")
    assert transforms.resize(line, (1, 2)).tolist() == [[0.5, 2.5]]
    assert transforms.resize(line, (1, 2), "nearest").tolist() == [[0.0, 2.0]]
    assert transforms.resize(np.uint8([[0, 255]]), (1, 4)).tolist() == [[0, 64, 191, 255]]


def test_parts_of_a_tuple_are_transformed_by_key():
    class Halve(transforms.BaseTransform):
        def _apply_image(self, image):
            return image / 2

        def _apply_label(self, label):
            return label + 1

    assert Halve()((4.0, 7)) == (2.0, 7)
    assert Halve(keys=("image", "label"))((4.0, 7)) == (2.0, 8)
    assert Halve(keys=("image", "other"))((4.0, 7, 9)) == (2.0, 7, 9)
    assert Halve()(4.0) == 2.0


@pytest.mark.parametrize("call, message", [
    (lambda: transforms.to_tensor("x"), "to_tensor needs a PIL image, a numpy array"),
    (lambda: transforms.RandomCrop(50)(ARRAY), "pad_if_needed=True widens it"),
    (lambda: transforms.resize(IMAGE, 4, "cubic"), "interpolation is one of nearest"),
    (lambda: transforms.pad(ARRAY, (1, 2, 3)), "2 or 4 of them"),
    (lambda: transforms.adjust_hue(IMAGE, 0.7), "is not in"),
    (lambda: transforms.adjust_contrast(ARRAY.astype("float32"), 0.5), "arrays of uint8 only"),
    (lambda: models.resnet18(pretrained=True), r"pass its path, resnet18\(pretrained="),
    (lambda: models.ResNet(models.resnet.BasicBlock, 20), "depths"),
])  # fmt: skip
def test_wrong_arguments_are_named(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_weights_come_from_a_file(tmp_path):
    path = str(tmp_path / "lenet.pdparams")
    net = models.mobilenet_v2(scale=0.25, num_classes=2)
    paddle.save(net.state_dict(), path)
    paddle.seed(5)
    other = models.mobilenet_v2(pretrained=path, scale=0.25, num_classes=2)
    x = paddle.rand([1, 3, 32, 32])
    net.eval(), other.eval()
    assert other(x).tolist() == net(x).tolist()
