#!/usr/bin/env python3
"""Writes transforms.json: f64 trajectories of transforms of gradients and weights, from optax, PyTorch and a formula.

    pip install torch optax
    python crates/burn-descent/tests/suite/golden/transforms.py

One problem for all: three parameters in Burn's layouts (a convolution's kernel, a linear weight of [inputs, outputs], a
bias) and the same thirty gradients whatever the parameters become. A case holds the parameters after some steps, and,
where an average is kept beside them, that average as `evaluated`.
"""

import json
import os
import random
import struct
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from rows import written
from torch.optim.swa_utils import AveragedModel

jax.config.update("jax_enable_x64", True)
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)

STEPS = 30
SAVED = [1, 2, 3, 5, 6, 10, 20, 30]
TOLERANCE = {"f64": 1e-10, "f32": 1e-5}
SHAPES = {"kernel": [3, 2, 2, 2], "weight": [3, 4], "bias": [4]}
# Steps whose gradients are not finite, where a case is about that: the parameter, and what one of its values is.
BAD = {4: ("weight", np.nan), 5: ("bias", np.inf), 11: ("kernel", -np.inf), 12: ("weight", np.nan), 13: ("bias", np.nan)}
HERE = Path(__file__).resolve().parent


def problem():
    """Start and gradients, exact in f32; norms on both sides of the limits below."""
    chance = random.Random(15112012)

    def f32(x):
        return struct.unpack("f", struct.pack("f", x))[0]

    def draw(shape, mean, deviation):
        values = [f32(chance.gauss(mean, deviation)) for _ in range(int(np.prod(shape)))]
        return np.array(values).reshape(shape)

    theta = {name: draw(shape, 0.0, 1.0) for name, shape in SHAPES.items()}
    sizes = [10.0 ** chance.uniform(-2.0, 0.5) for _ in range(STEPS)]
    gradients = [{name: draw(shape, 0.3 * size, size) for name, shape in SHAPES.items()} for size in sizes]
    return theta, gradients


def spoiled(gradients):
    bad = [{name: value.copy() for name, value in row.items()} for row in gradients]
    for step, (name, value) in BAD.items():
        bad[step - 1][name].reshape(-1)[1] = value
    return bad


def run(transform, theta, gradients, synced=False):
    """Parameters after each step under an optax transformation; fast and slow ones if `synced`."""
    params = jax.tree.map(jnp.asarray, theta)
    if synced:
        params = optax.LookaheadParams.init_synced(params)
    state = transform.init(params)
    for row in gradients:
        updates, state = transform.update(jax.tree.map(jnp.asarray, row), state, params)
        params = optax.apply_updates(params, updates)
        yield params


def centralize():
    """optax's, which takes the first axis for that of the outputs: Burn's linear weight turned round."""
    inner = optax.centralize()

    def turned(tree):
        return {name: value.T if value.ndim == 2 else value for name, value in tree.items()}

    def update(updates, state, params=None):
        updates, state = inner.update(turned(updates), state, params)
        return turned(updates), state

    return optax.GradientTransformation(inner.init, update)


def adaptive(clipping):
    """optax's, which takes the last axis of a kernel for that of the units (HWIO): Burn's turned round."""
    inner = optax.adaptive_grad_clip(clipping)

    def turned(tree, axes):
        return {name: value.transpose(axes) if value.ndim == 4 else value for name, value in tree.items()}

    def update(updates, state, params=None):
        updates, state = inner.update(turned(updates, (2, 3, 1, 0)), state, turned(params, (2, 3, 1, 0)))
        return turned(updates, (3, 2, 0, 1)), state

    return optax.GradientTransformation(inner.init, update)


def torch_norm(norm_type, limit):
    """PyTorch's norm over all gradients. Its `clip_grad_norm_` adds 1e-6 to that, which is left out here as in optax."""

    def update(updates, state, params=None):
        gradients = [torch.from_numpy(np.array(value)) for value in updates.values()]
        norm = torch.nn.utils.get_total_norm(gradients, norm_type).item()
        return {name: value * min(1.0, limit / norm) for name, value in updates.items()}, state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def multi_steps(inner, k):
    return optax.MultiSteps(inner, k, use_grad_mean=True, accumulator_dtype=jnp.float64).gradient_transformation()


def averaged(inner, average):
    """Parameters under `inner`, and the average that `average` (a function of the whole past) makes of them."""

    def trajectory(theta, gradients):
        past = [theta]
        for params in run(inner, theta, gradients):
            past.append(jax.tree.map(np.asarray, params))
            yield past[-1], average(past)

    return trajectory


def optax_ema(decay):
    ema = optax.ema(decay, debias=True)

    def average(past):
        state = ema.init(past[0])
        for params in past[1:]:
            value, state = ema.update(params, state)
        return value

    return average


def plain_ema(decay):
    """s ← d·s + (1 − d)·θ from the first weights on, with d a function of the step (from 1)."""

    def average(past):
        s = past[0]
        for t, params in enumerate(past[1:], 1):
            d = decay(t)
            s = {name: d * s[name] + (1 - d) * params[name] for name in s}
        return s

    return average


def torch_swa(start, every):
    """torch.optim.swa_utils.AveragedModel, given the parameters after every `every`-th step from `start` on."""

    def average(past):
        taken = [params for t, params in enumerate(past) if t > start and (t - start) % every == 0]
        if not taken:
            return past[-1]
        model = torch.nn.ParameterDict({name: torch.zeros(shape) for name, shape in SHAPES.items()})
        swa = AveragedModel(model)
        for params in taken:
            with torch.no_grad():
                for name in SHAPES:
                    model[name].copy_(torch.from_numpy(np.array(params[name])))
            swa.update_parameters(model)
        return {name: swa.module[name].detach().numpy() for name in SHAPES}

    return average


def lookahead(inner, k, alpha):
    def trajectory(theta, gradients):
        for params in run(optax.lookahead(inner, k, alpha), theta, gradients, synced=True):
            yield params.fast, params.slow

    return trajectory


def plain(transform):
    def trajectory(theta, gradients):
        for params in run(transform, theta, gradients):
            yield params, None

    return trajectory


sgd, adam = optax.sgd(0.1), optax.adam(0.05, b1=0.9, b2=0.999, eps=1e-8)
momentum = optax.sgd(0.1, momentum=0.9)
norm, value = optax.clip_by_global_norm, optax.clip
mask = {"kernel": False, "weight": True, "bias": False}

# Name, source, trajectory, whether on the spoiled gradients.
CASES = [
    ("clip_norm", "optax", plain(optax.chain(norm(1.5), sgd)), False),
    ("clip_value", "optax", plain(optax.chain(value(0.2), sgd)), False),
    ("clip_value_then_norm", "optax", plain(optax.chain(value(0.2), norm(0.6), sgd)), False),
    ("clip_norm_then_value", "optax", plain(optax.chain(norm(0.6), value(0.2), sgd)), False),
    ("clip_norm_then_momentum", "optax", plain(optax.chain(norm(1.5), momentum)), False),
    ("momentum_then_clip_norm", "optax", plain(optax.chain(optax.trace(0.9), norm(1.5), optax.scale(-0.1))), False),
    ("clip_norm_sum", "torch", plain(optax.chain(torch_norm(1.0, 5.0), sgd)), False),
    ("clip_norm_maximum", "torch", plain(optax.chain(torch_norm(float("inf"), 0.5), sgd)), False),
    ("adaptive_clip", "optax", plain(optax.chain(adaptive(0.1), sgd)), False),
    ("adaptive_clip_momentum", "optax", plain(optax.chain(adaptive(0.5), norm(1.5), momentum)), False),
    ("clip_norm_adam", "optax", plain(optax.chain(norm(1.5), adam)), False),
    ("centralize", "optax", plain(optax.chain(centralize(), momentum)), False),
    ("centralize_then_clip_norm", "optax", plain(optax.chain(centralize(), norm(0.6), momentum)), False),
    ("clip_norm_then_centralize", "optax", plain(optax.chain(norm(0.6), centralize(), momentum)), False),
    ("accumulate", "optax", plain(multi_steps(adam, 3)), False),
    ("accumulate_then_clip_norm", "optax", plain(multi_steps(optax.chain(norm(0.6), momentum), 3)), False),
    ("clip_norm_then_accumulate", "optax", plain(optax.chain(norm(0.6), multi_steps(momentum, 3))), False),
    ("apply_if_finite", "optax", plain(optax.apply_if_finite(adam, 3)), True),
    ("apply_if_finite_then_accumulate", "optax", plain(optax.apply_if_finite(multi_steps(adam, 3), 3)), True),
    ("masked", "optax", plain(optax.chain(optax.masked(value(0.2), mask), norm(0.6), momentum)), False),
    ("lookahead", "optax", lookahead(adam, 5, 0.5), False),
    ("lookahead_momentum", "optax", lookahead(momentum, 2, 0.8), False),
    ("ema_bias_correction", "optax", averaged(adam, optax_ema(0.9)), False),
    ("ema_ramp", "formula", averaged(adam, plain_ema(lambda t: min(0.7, (1 + t) / (10 + t)))), False),
    ("ema_none", "formula", averaged(momentum, plain_ema(lambda t: 0.9)), False),
    ("swa", "torch", averaged(adam, torch_swa(4, 3)), False),
    ("swa_every_step", "torch", averaged(momentum, torch_swa(0, 1)), False),
]


def numbers(tree):
    return {name: np.asarray(tree[name], dtype=np.float64).reshape(-1).tolist() for name in SHAPES}


def main():
    theta, gradients = problem()
    bad = spoiled(gradients)
    cases = []
    for name, source, trajectory, is_spoiled in CASES:
        steps = list(trajectory(theta, bad if is_spoiled else gradients))
        case = {"name": name, "source": source, "spoiled": is_spoiled, "trajectory": {}, "evaluated": {}}
        for t in SAVED:
            params, evaluated = steps[t - 1]
            case["trajectory"][str(t)] = numbers(params)
            if evaluated is not None:
                case["evaluated"][str(t)] = numbers(evaluated)
        cases.append(case)
    ends = {case["name"]: np.concatenate([np.array(x) for x in case["trajectory"]["30"].values()]) for case in cases}
    same = [
        (one, other) for one in ends for other in ends if one < other and np.abs(ends[one] - ends[other]).max() < 1e-2
    ]
    print("cases with the same parameters:", same)
    document = {
        "generator": "crates/burn-descent/tests/suite/golden/transforms.py",
        "torch": torch.__version__,
        "optax": version("optax"),
        "tolerance": TOLERANCE,
        "bad": [{"step": t, "parameter": name, "value": str(value)} for t, (name, value) in BAD.items()],
        "theta": numbers(theta),
        "gradients": [numbers(row) for row in gradients],
        "cases": cases,
    }
    path = HERE / "transforms.json"
    path.write_text(written(document))
    assert json.loads(path.read_text()) == document
    print(f"{path}: {len(cases)} cases")


if __name__ == "__main__":
    main()
