#!/usr/bin/env python3
"""Writes extremes.json: what PyTorch's optimizers make of very large and very small gradients in f32.

    pip install torch
    python crates/burn-descent/tests/suite/golden/extremes.py

Each case starts a parameter of 1 with three steps of one gradient and takes three more of a gradient of 1. `theta` has
the parameter after each of the six; numbers that are not finite are written as text.
"""

import json
import math
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
MAX = torch.finfo(torch.float32).max
GRADIENTS = [0.0, 1e-45, 1e-30, 1e-22, 1e15, 2e19, 1e20, 1e22, 1e30, MAX, -MAX, math.inf, math.nan]
RATE = 0.1
T = torch.optim
OPTIMIZERS = {
    "sgd": lambda p: T.SGD(p, RATE),
    "momentum": lambda p: T.SGD(p, RATE, momentum=0.9),
    "adagrad": lambda p: T.Adagrad(p, RATE),
    "adadelta": lambda p: T.Adadelta(p, RATE),
    "rmsprop": lambda p: T.RMSprop(p, RATE),
    "rmsprop momentum": lambda p: T.RMSprop(p, RATE, momentum=0.9),
    "adam": lambda p: T.Adam(p, RATE),
    "amsgrad": lambda p: T.Adam(p, RATE, amsgrad=True),
    "adamax": lambda p: T.Adamax(p, RATE),
    "nadam": lambda p: T.NAdam(p, RATE),
    "radam": lambda p: T.RAdam(p, RATE),
    "rprop": lambda p: T.Rprop(p, RATE),
}


def number(value):
    return value if math.isfinite(value) else str(value)


def case(name, gradient):
    theta = torch.nn.Parameter(torch.ones(1, dtype=torch.float32))
    optimizer = OPTIMIZERS[name]([theta])
    found = []
    for g in [gradient] * 3 + [1.0] * 3:
        theta.grad = torch.tensor([g], dtype=torch.float32)
        optimizer.step()
        found.append(number(theta.item()))
    return {"optimizer": name, "gradient": number(gradient), "theta": found}


def main():
    cases = [case(name, gradient) for name in OPTIMIZERS for gradient in GRADIENTS]
    head = {"generator": "crates/burn-descent/tests/suite/golden/extremes.py", "torch": torch.__version__, "lr": RATE}
    lines = ",\n".join("  " + json.dumps(entry, allow_nan=False) for entry in cases)
    text = json.dumps({**head, "cases": []}, indent=1).removesuffix("[]\n}")
    (HERE / "extremes.json").write_text(f"{text}[\n{lines}\n ]\n}}\n")


if __name__ == "__main__":
    main()
