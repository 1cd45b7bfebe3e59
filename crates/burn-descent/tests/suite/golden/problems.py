#!/usr/bin/env python3
"""Writes problems.json: whole trainings by PyTorch in f64, gradients and all, on two published test problems.

    pip install torch
    python crates/burn-descent/tests/suite/golden/problems.py

- "regression", from candle-optimisers' tests: y = 3x₁ + x₂ − 2 at four points, zero start, the sum of squares, 100 steps.
- "network", from PyTorch's own C++ optimizer tests: 2-3-1 sigmoid units, three inputs, the sum of outputs, 1,001 steps.

Parameters are listed layer by layer, weight before bias, in PyTorch's order: [outputs, inputs].
"""

from importlib.metadata import version
from pathlib import Path

import torch
from rows import written

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
HERE = Path(__file__).resolve().parent
TOLERANCE = 1e-9


class Regression(torch.nn.Module):
    STEPS, EVERY = 100, 10

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Linear(2, 1)
        for parameter in self.parameters():
            torch.nn.init.zeros_(parameter)

    def loss(self):
        x = torch.tensor([[2.0, 1.0], [7.0, 4.0], [-4.0, 12.0], [5.0, 8.0]])
        y = 3 * x[:, :1] + x[:, 1:] - 2
        return ((self.layers(x) - y) ** 2).sum()


class Network(torch.nn.Module):
    STEPS, EVERY = 1001, 100

    def __init__(self):
        super().__init__()
        linear, sigmoid = torch.nn.Linear, torch.nn.Sigmoid
        self.layers = torch.nn.Sequential(linear(2, 3), sigmoid(), linear(3, 1), sigmoid())
        start = [
            [[-0.2109, -0.4976], [-0.1413, -0.3420], [-0.2524, 0.6976]],
            [-0.1085, -0.2979, 0.6892],
            [[-0.0508, -0.3941, -0.2843]],
            [-0.0711],
        ]
        for parameter, values in zip(self.parameters(), start, strict=True):
            parameter.data = torch.tensor(values)

    def loss(self):
        return self.layers(torch.tensor([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])).sum()


PROBLEMS = {"regression": Regression, "network": Network}
optim = torch.optim

# name, problem, optimizer, settings. Rprop, which sees signs alone, is not held to the network: it saturates, and then
# tells gradients of 1e-300 from 0.
CASES = [
    ("sgd", "regression", optim.SGD, {"lr": 0.004, "momentum": 0.1}),
    ("adagrad", "regression", optim.Adagrad, {"lr": 0.004, "lr_decay": 0.2}),
    ("adadelta", "regression", optim.Adadelta, {"lr": 0.004}),
    ("adam", "regression", optim.Adam, {"lr": 0.01}),
    ("amsgrad", "regression", optim.Adam, {"lr": 0.01, "amsgrad": True}),
    ("adamw", "regression", optim.AdamW, {"lr": 0.01, "weight_decay": 0.6}),
    ("adamax", "regression", optim.Adamax, {"lr": 0.004}),
    ("nadam", "regression", optim.NAdam, {"lr": 0.002}),
    ("nadam_decoupled", "regression", optim.NAdam, {"lr": 0.002, "weight_decay": 0.6, "decoupled_weight_decay": True}),
    ("radam", "regression", optim.RAdam, {"lr": 0.001}),
    ("rmsprop", "regression", optim.RMSprop, {"lr": 0.01}),
    ("rmsprop_centered_momentum", "regression", optim.RMSprop, {"lr": 0.01, "centered": True, "momentum": 0.4}),
    ("rprop", "regression", optim.Rprop, {"lr": 0.01}),
    ("sgd", "network", optim.SGD, {"lr": 0.1}),
    ("sgd_l2", "network", optim.SGD, {"lr": 0.1, "weight_decay": 1e-2}),
    ("sgd_nesterov", "network", optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-6, "nesterov": True}),
    ("adagrad", "network", optim.Adagrad, {"lr": 1.0, "weight_decay": 1e-2, "lr_decay": 1e-3}),
    ("adadelta", "network", optim.Adadelta, {"lr": 1.0}),
    ("rmsprop", "network", optim.RMSprop, {"lr": 0.1}),
    ("rmsprop_centered_momentum", "network", optim.RMSprop, {"lr": 0.1, "centered": True, "weight_decay": 1e-6, "momentum": 0.9}),
    ("adam", "network", optim.Adam, {"lr": 1.0}),
    ("adam_l2", "network", optim.Adam, {"lr": 1.0, "weight_decay": 1e-2}),
    ("amsgrad", "network", optim.Adam, {"lr": 1.0, "weight_decay": 1e-6, "amsgrad": True}),
    ("adamw", "network", optim.AdamW, {"lr": 1.0}),
    ("adamax", "network", optim.Adamax, {"lr": 0.1}),
    ("nadam", "network", optim.NAdam, {"lr": 0.1}),
    ("radam", "network", optim.RAdam, {"lr": 0.1}),
    ("asgd", "network", optim.ASGD, {"lr": 0.1}),
]


def train(problem, optimizer, settings):
    model = PROBLEMS[problem]()
    steps = optimizer(model.parameters(), foreach=False, **settings)
    trajectory = {}
    for step in range(1, model.STEPS + 1):
        steps.zero_grad()
        model.loss().backward()
        steps.step()
        if step % model.EVERY == 0:
            trajectory[step] = [x for p in model.parameters() for x in p.detach().flatten().tolist()]
    return trajectory


def main():
    cases = [
        {"name": name, "problem": problem, "settings": settings, "trajectory": train(problem, optimizer, settings)}
        for name, problem, optimizer, settings in CASES
    ]
    content = {
        "generator": "crates/burn-descent/tests/suite/golden/problems.py",
        "torch": version("torch"),
        "tolerance": TOLERANCE,
        "cases": cases,
    }
    path = HERE / "problems.json"
    path.write_text(written(content))
    for case in cases:
        last = list(case["trajectory"].values())[-1]
        print(f"{case['problem']:12} {case['name']:28} {[round(x, 4) for x in last[:3]]}")


if __name__ == "__main__":
    main()
