#!/usr/bin/env python3
"""Writes schedules.json: the learning rates of torch.optim.lr_scheduler, step by step, in f64.

    pip install torch
    python crates/burn-descent/tests/suite/golden/schedules.py

Each case is a schedule as this crate writes it, the length of a run, and the rates that PyTorch's scheduler gives it.
Where PyTorch has no scheduler of its own, its LambdaLR runs the lecture's formula.
"""

import json
import math
import warnings
from pathlib import Path

import torch
from torch.optim import lr_scheduler as lrs
from torch.optim.swa_utils import SWALR

TOLERANCE = 1e-12
HERE = Path(__file__).resolve().parent
# PyTorch warns of schedulers that step before any optimizer, and of its own sequences.
warnings.filterwarnings("ignore")


def optimizer(lr):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))], lr=lr, momentum=0.9)


def rates(lr, scheduler, count, key="lr"):
    """The rates of `count` steps of the scheduler that `scheduler(optimizer)` makes."""
    sgd = optimizer(lr)
    schedule = scheduler(sgd)
    found = []
    for _ in range(count):
        found.append(sgd.param_groups[0][key])
        sgd.step()
        schedule.step()
    return found


def plateau_rates(lr, losses, **settings):
    """The rate of each epoch, where `losses` are those after each."""
    sgd = optimizer(lr)
    schedule = lrs.ReduceLROnPlateau(sgd, eps=0.0, **settings)
    found = []
    for loss in losses:
        found.append(sgd.param_groups[0]["lr"])
        schedule.step(loss)
    return found


def each_step(per_epoch, steps_per_epoch):
    return [rate for rate in per_epoch for _ in range(steps_per_epoch)]


def formula(function):
    return lambda sgd: lrs.LambdaLR(sgd, function)


def before(start, warm_up, then):
    """`then` after a linear warm-up."""

    def make(sgd):
        linear = lrs.LinearLR(sgd, start_factor=start, total_iters=warm_up)
        return lrs.SequentialLR(sgd, [linear, then(sgd)], milestones=[warm_up])

    return make


def times(start, warm_up, then):
    """`then` multiplied by a linear warm-up."""

    def make(sgd):
        return lrs.ChainedScheduler([lrs.LinearLR(sgd, start_factor=start, total_iters=warm_up), then(sgd)])

    return make


def cosine(steps, minimum=0.0):
    return lambda sgd: lrs.CosineAnnealingLR(sgd, T_max=steps, eta_min=minimum)


def restarts(first, growth=1, minimum=0.0):
    return lambda sgd: lrs.CosineAnnealingWarmRestarts(sgd, T_0=first, T_mult=growth, eta_min=minimum)


def exponential(gamma):
    return lambda sgd: lrs.ExponentialLR(sgd, gamma=gamma)


def every(steps, gamma):
    return lambda sgd: lrs.StepLR(sgd, step_size=steps, gamma=gamma)


def milestones(steps, gamma):
    return lambda sgd: lrs.MultiStepLR(sgd, milestones=steps, gamma=gamma)


def triangular(lr, minimum, rise, fall=None, **settings):
    return lambda sgd: lrs.CyclicLR(
        sgd, base_lr=minimum * lr, max_lr=lr, step_size_up=rise, step_size_down=fall, cycle_momentum=False, **settings
    )


def stable(warm_up, decay, steps, start, shape):
    """A linear warm-up, the rate itself, and `shape` of the share of the last `decay` steps that is over."""
    return formula(lambda n: (start + (1 - start) * min(n / warm_up, 1)) * shape(max(n - (steps - decay), 0) / decay))


def sequence(*parts):
    """Schedulers, each but the last with the steps that it lasts."""

    def make(sgd):
        ends = [sum(steps for _, steps in parts[: number + 1]) for number in range(len(parts) - 1)]
        return lrs.SequentialLR(sgd, [part(sgd) for part, _ in parts], milestones=ends)

    return make


def one_cycle(lr, steps, **settings):
    return lambda sgd: lrs.OneCycleLR(
        sgd, max_lr=lr, total_steps=steps, base_momentum=0.85, max_momentum=0.95, **settings
    )


class Averaging:
    """SWALR after so many steps at the full rate, called as PyTorch's page on averaged weights does."""

    def __init__(self, sgd, start, lr, steps, strategy):
        self.scheduler = SWALR(sgd, swa_lr=lr, anneal_epochs=steps, anneal_strategy=strategy)
        self.left = start

    def step(self):
        if self.left == 0:
            self.scheduler.step()
        else:
            self.left -= 1


# schedule, source, lr, epochs, steps per epoch, whether PyTorch steps once an epoch, PyTorch's scheduler
CASES = [
    ("constant", "ConstantLR", 0.1, 2, 4, False, lambda sgd: lrs.ConstantLR(sgd, factor=1.0)),
    ("linear", "LinearLR", 0.1, 2, 10, False, lambda sgd: lrs.LinearLR(sgd, 1.0, 0.0, total_iters=20)),
    ("linear=start=0.25,end=0.75,over=7steps", "LinearLR", 0.1, 2, 10, False,
     lambda sgd: lrs.LinearLR(sgd, 0.25, 0.75, total_iters=7)),
    ("linear=start=0.2,end=0.2@3epochs+constant", "ConstantLR", 0.1, 6, 3, True,
     lambda sgd: lrs.ConstantLR(sgd, factor=0.2, total_iters=3)),
    ("constant@6steps+linear=end=0.25,over=4steps", "SWALR", 0.1, 2, 8, False,
     lambda sgd: Averaging(sgd, 6, 0.025, 4, "linear")),
    ("constant@6steps+cosine=0.25@4steps+linear=start=0.25,end=0.25", "SWALR", 0.1, 2, 8, False,
     lambda sgd: Averaging(sgd, 6, 0.025, 4, "cos")),
    ("polynomial=1", "PolynomialLR", 0.1, 2, 10, False, lambda sgd: lrs.PolynomialLR(sgd, 20, power=1.0)),
    ("polynomial=2.5", "PolynomialLR", 3.0, 3, 7, False, lambda sgd: lrs.PolynomialLR(sgd, 21, power=2.5)),
    ("time-based=1", "LambdaLR", 0.2, 6, 3, True, formula(lambda n: 1 / (1 + 1 * n))),
    ("time-based=0.01,per=step", "LambdaLR", 0.2, 3, 10, False, formula(lambda n: 1 / (1 + 0.01 * n))),
    ("exponential=0.9", "ExponentialLR", 0.1, 6, 3, True, exponential(0.9)),
    ("exponential=0.99,per=step", "ExponentialLR", 0.1, 4, 20, False, exponential(0.99)),
    ("exponential=k=0.3", "LambdaLR", 0.1, 6, 3, True, formula(lambda n: math.exp(-0.3 * n))),
    ("exponential=k=0.02,per=step", "LambdaLR", 0.1, 4, 20, False, formula(lambda n: math.exp(-0.02 * n))),
    ("step=2:0.3", "StepLR", 0.1, 7, 3, True, every(2, 0.3)),
    ("step=5steps,factor=0.5", "StepLR", 0.01, 2, 12, False, every(5, 0.5)),
    ("step=10epochs:0.5", "StepLR", 0.01, 35, 2, True, every(10, 0.5)),
    ("step=3,k=0.7", "LambdaLR", 0.01, 10, 2, True, formula(lambda n: math.exp(-0.7 * (n // 3)))),
    ("inverse-sqrt=1", "LambdaLR", 0.1, 6, 3, True, formula(lambda n: 1 / math.sqrt(n + 1))),
    ("inverse-sqrt=2.5,per=step", "LambdaLR", 0.1, 3, 9, False, formula(lambda n: 2.5 / math.sqrt(n + 1))),
    ("cosine", "CosineAnnealingLR", 0.1, 4, 5, False, cosine(20)),
    ("cosine=0.1", "CosineAnnealingLR", 2.0, 3, 17, False, cosine(51, 0.2)),
    ("cosine=minimum=0.1,over=7steps", "CosineAnnealingLR", 0.1, 3, 17, False, cosine(7, 0.01)),
    ("cosine=0.05,2epochs", "CosineAnnealingLR", 2.0, 7, 3, False, cosine(6, 0.1)),
    ("cosine-restarts=2epochs", "CosineAnnealingWarmRestarts", 0.1, 9, 4, False, restarts(8)),
    ("cosine-restarts=7steps,growth=2,minimum=0.05", "CosineAnnealingWarmRestarts", 0.1, 6, 20, False,
     restarts(7, 2, 0.005)),
    ("cosine-restarts=1steps,growth=3", "CosineAnnealingWarmRestarts", 0.1, 1, 50, False, restarts(1, 3)),
    ("one-cycle", "OneCycleLR", 0.1, 5, 10, False, one_cycle(0.1, 50)),
    ("one-cycle", "OneCycleLR", 0.1, 1, 7, False, one_cycle(0.1, 7)),
    ("one-cycle=peak=0.45,start=10,end=100", "OneCycleLR", 1.5, 3, 11, False,
     one_cycle(1.5, 33, pct_start=0.45, div_factor=10.0, final_div_factor=100.0)),
    ("warm-up=6steps,from=0.1+cosine", "SequentialLR", 0.1, 3, 10, False, before(0.1, 6, cosine(24))),
    ("warm-up=2epochs,from=0.25+step=5steps:0.5", "SequentialLR", 0.1, 4, 6, False, before(0.25, 12, every(5, 0.5))),
    ("warm-up=8steps,from=0.2,form=times+exponential=0.95,per=step", "ChainedScheduler", 0.1, 3, 10, False,
     times(0.2, 8, exponential(0.95))),
    ("multi-step=2/5/6:0.3", "MultiStepLR", 0.1, 9, 3, True, milestones([2, 5, 6], 0.3)),
    ("multi-step=4steps/11steps:0.5", "MultiStepLR", 0.1, 3, 6, False, milestones([4, 11], 0.5)),
    ("triangular=5steps,minimum=0.1", "CyclicLR", 0.1, 4, 9, False, triangular(0.1, 0.1, 5)),
    ("triangular=1epochs:2epochs:0.25,shrink=0.5", "CyclicLR", 2.0, 9, 4, False,
     triangular(2.0, 0.25, 4, 8, mode="triangular2")),
    ("triangular=3steps,fall=4steps,minimum=0.2,decay=0.97", "CyclicLR", 0.1, 3, 10, False,
     triangular(0.1, 0.2, 3, 4, mode="exp_range", gamma=0.97)),
    ("wsd=6steps:10steps", "LambdaLR", 0.1, 3, 10, False, stable(6, 10, 30, 0.01, lambda t: 1 - t)),
    ("wsd=1:1,from=0,minimum=0.1,form=cosine", "LambdaLR", 0.1, 5, 6, False,
     stable(6, 6, 30, 0.0, lambda t: 0.1 + 0.9 * (1 + math.cos(math.pi * t)) / 2)),
    ("wsd=2steps:12steps,form=sqrt", "LambdaLR", 0.1, 3, 10, False, stable(2, 12, 30, 0.01, lambda t: 1 - math.sqrt(t))),
    ("cosine@12steps+exponential=0.9,per=step", "SequentialLR", 0.1, 2, 10, False,
     sequence((cosine(12), 12), (exponential(0.9), None))),
    ("constant@1epochs+step=3steps:0.5@8steps+cosine-restarts=4steps", "SequentialLR", 0.1, 4, 8, False,
     sequence((lambda sgd: lrs.ConstantLR(sgd, factor=1.0), 8), (every(3, 0.5), 8), (restarts(4), None))),
]

LOSSES = [1.0, 0.8, 0.79, 0.7899, 0.79, 0.8, 0.79, 0.7, 0.71, 0.72, 0.73, 0.74, 0.69999, 0.6999, 0.5, 0.6, 0.55,
          0.52, 0.51, 0.505, 0.6, 0.6, 0.6, 0.6, 0.4999, 0.6, 0.6, 0.6, 0.6, 0.6]

# Of these high values are better.
ACCURACIES = [round(1.5 - loss, 6) for loss in LOSSES]

# schedule, lr, PyTorch's settings
PLATEAUS = [
    ("plateau=0.1,2", 0.1, {"factor": 0.1, "patience": 2}),
    ("plateau=0.5,0,cooldown=2", 0.1, {"factor": 0.5, "patience": 0, "cooldown": 2}),
    ("plateau=0.5,1,threshold=0.05,cooldown=1", 2.0, {"factor": 0.5, "patience": 1, "threshold": 0.05, "cooldown": 1}),
    ("plateau=0.3,1,absolute-threshold=0.01,minimum=0.02", 0.1,
     {"factor": 0.3, "patience": 1, "threshold": 0.01, "threshold_mode": "abs", "min_lr": 0.002}),
    ("plateau=0.7,0,absolute-threshold=0", 0.1,
     {"factor": 0.7, "patience": 0, "threshold": 0.0, "threshold_mode": "abs"}),
    ("plateau=0.5,1,goal=higher", 0.1, {"mode": "max", "factor": 0.5, "patience": 1}),
    ("plateau=0.7,0,threshold=0.05,cooldown=1,goal=higher", 0.1,
     {"mode": "max", "factor": 0.7, "patience": 0, "threshold": 0.05, "cooldown": 1}),
    ("plateau=0.7,0,absolute-threshold=0.02,goal=higher", 0.1,
     {"mode": "max", "factor": 0.7, "patience": 0, "threshold": 0.02, "threshold_mode": "abs"}),
]


def case(schedule, source, lr, epochs, steps_per_epoch, by_epoch, scheduler):
    found = each_step(rates(lr, scheduler, epochs), steps_per_epoch) if by_epoch else rates(
        lr, scheduler, epochs * steps_per_epoch
    )
    entry = {
        "schedule": schedule, "source": source, "lr": lr, "epochs": epochs, "steps_per_epoch": steps_per_epoch,
        "rates": found,
    }
    if source == "OneCycleLR":
        entry["momenta"] = rates(lr, scheduler, epochs * steps_per_epoch, key="momentum")
    return entry


def plateau_case(schedule, lr, settings):
    steps_per_epoch = 2
    losses = ACCURACIES if settings.get("mode") == "max" else LOSSES
    return {
        "schedule": schedule, "source": "ReduceLROnPlateau", "lr": lr, "epochs": len(losses),
        "steps_per_epoch": steps_per_epoch, "losses": losses,
        "rates": each_step(plateau_rates(lr, losses, **settings), steps_per_epoch),
    }


def main():
    document = {
        "generator": "crates/burn-descent/tests/suite/golden/schedules.py",
        "torch": torch.__version__,
        "tolerance": TOLERANCE,
        "cases": [case(*entry) for entry in CASES] + [plateau_case(*entry) for entry in PLATEAUS],
    }
    for entry in document["cases"]:
        assert all(math.isfinite(rate) for rate in entry["rates"]), entry["schedule"]
        print(f"{entry['source']:28} {entry['schedule']:62} {len(set(entry['rates'])):3} rates")
    lines = json.dumps({**document, "cases": []}, indent=1).removesuffix("[]\n}")
    cases = ",\n".join("  " + json.dumps(entry, allow_nan=False) for entry in document["cases"])
    path = HERE / "schedules.json"
    path.write_text(f"{lines}[\n{cases}\n ]\n}}\n")
    assert json.loads(path.read_text()) == document
    print(f"{path}: {len(document['cases'])} cases")


if __name__ == "__main__":
    main()
