#!/usr/bin/env python3
"""Writes policies.json: what the changes of RandAugment and TrivialAugment, and a turn of hues, make of an image, from
torchvision.

    pip install torch torchvision
    python crates/burn-descent/tests/suite/golden/policies.py

Its own `_apply_op`, at the magnitudes of its own `_augmentation_space`, bilinear, on images of floats; posterize and
equalize on images of bytes, which alone they take. Of each result there is every 67th value.
"""

from pathlib import Path

import torch
import torchvision
from rows import written
from torchvision.transforms import InterpolationMode, RandAugment, TrivialAugmentWide, autoaugment
from torchvision.transforms import functional as F

HEIGHT, WIDTH = 30, 34
EVERY = 67
HUES = [-0.5, -0.3, -0.04, 0.1, 0.25, 0.5]
BYTES = {"Posterize", "Equalize"}
HERE = Path(__file__).resolve().parent


def image(channels):
    """Scattered bytes from 20 to 221, the dark ones more often."""
    count = channels * HEIGHT * WIDTH
    scattered = [(i * 7919 + i * i * 31) % 1009 for i in range(count)]
    values = [20 + x * x // 5044 for x in scattered]
    return torch.tensor(values, dtype=torch.uint8).reshape(channels, HEIGHT, WIDTH)


def sampled(result):
    return [round(value, 6) for value in result.flatten()[::EVERY].tolist()]


def changes(space, index, picture):
    """Each change at one magnitude, in both directions if it has them."""
    found = []
    for name, (magnitudes, signed) in space.items():
        magnitude = float(magnitudes[index]) if magnitudes.ndim > 0 else 0.0
        for sign in (1.0, -1.0) if signed else (1.0,):
            if name in BYTES:
                result = autoaugment._apply_op(picture, name, magnitude, InterpolationMode.BILINEAR, None) / 255.0
            else:
                # The threshold is a byte.
                strength = magnitude / 255.0 if name == "Solarize" else sign * magnitude
                result = autoaugment._apply_op(picture / 255.0, name, strength, InterpolationMode.BILINEAR, None)
            found.append({"change": name, "sign": sign, "values": sampled(result)})
    return found


def main():
    spaces = {
        "randaugment": RandAugment()._augmentation_space(31, (HEIGHT, WIDTH)),
        "trivialaugment": TrivialAugmentWide()._augmentation_space(31),
    }
    policies = [
        {"policy": name, "channels": channels, "magnitude": index, "changes": changes(space, index, image(channels))}
        for name, space in spaces.items()
        for channels in (1, 3)
        for index in (9, 30)
    ]
    hues = [{"turns": turns, "values": sampled(F.adjust_hue(image(3) / 255.0, turns))} for turns in HUES]
    result = {
        "generator": "crates/burn-descent/tests/suite/golden/policies.py",
        "torchvision": torchvision.__version__,
        "size": [HEIGHT, WIDTH],
        "every": EVERY,
        "policies": policies,
        "hues": hues,
    }
    (HERE / "policies.json").write_text(written(result))


if __name__ == "__main__":
    main()
