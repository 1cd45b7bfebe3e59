#!/usr/bin/env python3
"""Step time of PyTorch's optimizers on the CPU, to set beside `cargo bench --bench step`. Prints one JSON object.

    python benches/step_pytorch.py [--seconds 1.0] [--json FILE]

Every case runs with the gradients already there, in f32, on all cores. `Adam` and the others are what a user gets who
sets no flag, which on a CPU is PyTorch's loop over parameters; `Adam fused` and the like are its kernels for
`fused=True`.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import torch

SETS = {
    "mlp": [(784, 512), (512,), (512, 512), (512,), (512, 10), (10,)],
    "large": [(4096, 4096)],
    "many": [(480, 640), (640,)] * 80,
}


class NoisySgd:
    """Momentum SGD on gradients with normal noise."""

    def __init__(self, parameters):
        self.parameters = parameters
        self.sgd = torch.optim.SGD(parameters, lr=1e-3, momentum=0.9)

    def step(self):
        for parameter in self.parameters:
            parameter.grad.add_(torch.randn_like(parameter.grad), alpha=1e-2)
        self.sgd.step()


OPTIMIZERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=1e-3),
    "SGD fused": lambda p: torch.optim.SGD(p, lr=1e-3, fused=True),
    "SGD momentum": lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9),
    "SGD momentum fused": lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9, fused=True),
    "SGD nesterov": lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9, nesterov=True),
    "SGD nesterov fused": lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9, nesterov=True, fused=True),
    "SGD momentum, noise": NoisySgd,
    "Adagrad": lambda p: torch.optim.Adagrad(p, lr=1e-2),
    "Adagrad fused": lambda p: torch.optim.Adagrad(p, lr=1e-2, fused=True),
    "Adadelta": lambda p: torch.optim.Adadelta(p, lr=1.0),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=1e-2, momentum=0.9),
    "Adam": lambda p: torch.optim.Adam(p, lr=1e-3),
    "Adam fused": lambda p: torch.optim.Adam(p, lr=1e-3, fused=True),
    "Adamax": lambda p: torch.optim.Adamax(p, lr=2e-3),
    "NAdam": lambda p: torch.optim.NAdam(p, lr=2e-3),
    "Adam amsgrad": lambda p: torch.optim.Adam(p, lr=1e-3, amsgrad=True),
    "Adam amsgrad fused": lambda p: torch.optim.Adam(p, lr=1e-3, amsgrad=True, fused=True),
    "RAdam": lambda p: torch.optim.RAdam(p, lr=1e-3),
    "Rprop": lambda p: torch.optim.Rprop(p, lr=1e-3),
    "ASGD": lambda p: torch.optim.ASGD(p, lr=1e-3),
}

WARM_UPS = 3
AT_LEAST = 5


def median_seconds(work, seconds):
    for _ in range(WARM_UPS):
        work()
    times = []
    while len(times) < AT_LEAST or sum(times) < seconds:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def copy_bandwidth(seconds):
    """GB/s of `dst.copy_(src)`, read and written bytes together."""
    source = torch.randn(16 * 2**20)  # 64 MiB
    target = torch.empty_like(source)
    moved = 2 * source.numel() * source.element_size()
    return moved / median_seconds(lambda: target.copy_(source), seconds) / 1e9


def step_milliseconds(make, shapes, seconds):
    torch.manual_seed(0)
    parameters = [torch.nn.Parameter(0.05 * torch.randn(shape)) for shape in shapes]
    for p in parameters:
        p.grad = 0.01 * torch.randn_like(p)
    return 1e3 * median_seconds(make(parameters).step, seconds)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=float, default=1.0, help="time budget of a case, after its warm-ups")
    arguments.add_argument("--json", type=Path, help="also write the result here")
    arguments = arguments.parse_args()

    torch.set_num_threads(os.cpu_count())
    cases = [
        {
            "optimizer": optimizer,
            "set": name,
            "parameters": sum(torch.Size(shape).numel() for shape in shapes),
            "milliseconds": round(step_milliseconds(make, shapes, arguments.seconds), 4),
        }
        for name, shapes in SETS.items()
        for optimizer, make in OPTIMIZERS.items()
    ]
    result = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "copy_gb_s": round(copy_bandwidth(arguments.seconds), 2),
        "cases": cases,
    }
    text = json.dumps(result, indent=1)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
