#!/usr/bin/env python3
"""Writes first_order.json: f64 trajectories of first-order optimizers, from PyTorch, optax and plain formulas.

What PyTorch does not have itself comes from kozistr's pytorch_optimizer.

    pip install torch optax pytorch_optimizer
    python crates/burn-descent/tests/suite/golden/generate.py

One problem for all: eight numbers, and the same hundred gradients whatever the numbers become. Every rule here is
elementwise, so that is enough to tell any two rules apart.

Each case names its source. Each case also has a formula below, in plain floats for one coordinate, written from the
paper or the lecture. Where the source is a library, the library's trajectory is stored and the formula has to agree
with it to 1e-12; where no library has the variant, the formula's own trajectory is stored.
"""

import json
import math
import os
import random
import struct
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
import jax
import numpy as np
import optax
import pytorch_optimizer
import torch
from rows import written

jax.config.update("jax_enable_x64", True)
torch.set_num_threads(1)
# Not only for the parameters: NAdam keeps its product of momenta in the default type, and in f32 that costs 1e-8.
torch.set_default_dtype(torch.float64)

STEPS = 100
SAVED = [1, 2, 3, 5, 10, 20, 50, 100]
TOLERANCE = {"f64": 1e-10, "f32": 1e-5}
AGREEMENT = 1e-12
HERE = Path(__file__).resolve().parent


# ------------------------------------------------------------------------------------------------------ the problem


def problem():
    """Start and gradients, all exact in f32, so that a test in f32 starts from the same numbers."""
    chance = random.Random(20161212)

    def f32(x):
        return struct.unpack("f", struct.pack("f", x))[0]

    def limited(x):
        return math.copysign(min(max(abs(x), 1e-4), 1e2), x)

    def gradient(t):
        sign = chance.choice([-1.0, 1.0])
        row = [
            chance.gauss(0.3, 1.0),  # ordinary noise around a slope
            chance.gauss(0.0, 3e-3),  # small, so that ε matters
            chance.gauss(-10.0, 40.0),  # large
            sign * 10.0 ** chance.uniform(-4.0, 2.0),  # every magnitude
            0.0,  # never moves
            2.0**-11,  # never changes
            chance.gauss(8.0, 2.0) * math.exp(-0.07 * t),  # decays: the maximum of AMSGrad holds
            chance.gauss(0.0, 0.3) if t > 3 and chance.random() < 0.6 else 0.0,  # sparse, zero to begin with
        ]
        for i in (0, 1, 2):
            if chance.random() < 0.05:
                row[i] = 0.0
        return [f32(limited(g)) if g != 0.0 else 0.0 for g in row]

    theta = [f32(x) for x in [1.5, -0.02, 30.0, -4.0, 0.25, 2.0, -0.7, 0.001]]
    return theta, [gradient(t) for t in range(1, STEPS + 1)]


# ----------------------------------------------------------------------------------------------------- the formulas
#
# One coordinate `x`, its gradients `gs`; each yields x after every step. Nothing is shared, on purpose.


def sgd(x, gs, lr, momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0):
    """torch: v₁ = g₁ undamped, then v ← μv + (1 − d)g; θ ← θ − ηv, or with Nesterov θ ← θ − η(g + μv)."""
    v = None
    for g in gs:
        g = g + weight_decay * x
        v = g if v is None else momentum * v + (1 - dampening) * g
        x = x - lr * (g + momentum * v if nesterov else v)
        yield x


def momentum_lecture(x, gs, lr, gamma):
    """Ruder eq. 4, Kitov, Kao: v ← γv + ηg; θ ← θ − v."""
    v = 0.0
    for g in gs:
        v = gamma * v + lr * g
        x = x - v
        yield x


def momentum_serra(x, gs, lr, beta):
    """Serra: v ← βv + (1 − β)g, an average; θ ← θ − ηv."""
    v = 0.0
    for g in gs:
        v = beta * v + (1 - beta) * g
        x = x - lr * v
        yield x


def nesterov_kao(x, gs, lr, alpha):
    """Kao, after the change of variables: v' = αv − εg; θ ← θ + v' + α(v' − v)."""
    v = 0.0
    for g in gs:
        v_new = alpha * v - lr * g
        x = x + v_new + alpha * (v_new - v)
        v = v_new
        yield x


def normalized_gradient(x, gs, lr, epsilon):
    """Serra: θ ← θ − α·g/(√(g²) + ε)."""
    for g in gs:
        x = x - lr * g / (math.sqrt(g * g) + epsilon)
        yield x


def adagrad_torch(x, gs, lr, eps, lr_decay=0.0, initial_accumulator_value=0.0, weight_decay=0.0):
    """ε outside the root; ηₜ = η/(1 + (t − 1)·lr_decay); the sum starts from initial_accumulator_value."""
    total = initial_accumulator_value
    for t, g in enumerate(gs, 1):
        g = g + weight_decay * x
        total = total + g * g
        x = x - lr / (1 + (t - 1) * lr_decay) * g / (math.sqrt(total) + eps)
        yield x


def adagrad_inside(x, gs, lr, eps, initial_accumulator_value=0.0):
    """Duchi et al. 2011 with Ruder's ε, inside the root; optax's scale_by_rss starts the sum from 0.1."""
    total = initial_accumulator_value
    for g in gs:
        total = total + g * g
        x = x - lr / math.sqrt(total + eps) * g
        yield x


def adam_torch(x, gs, lr, betas, eps, weight_decay=0.0, decoupled_weight_decay=False):
    """Kingma & Ba 2015, algorithm 1: ε outside the root of the corrected v."""
    (b1, b2), m, v = betas, 0.0, 0.0
    for t, g in enumerate(gs, 1):
        if decoupled_weight_decay:
            x = x * (1 - lr * weight_decay)
        else:
            g = g + weight_decay * x
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        x = x - lr * (m / (1 - b1**t)) / (math.sqrt(v / (1 - b2**t)) + eps)
        yield x


def adam_optax(x, gs, lr, b1, b2, eps, eps_root):
    """optax has both epsilons: √(v̂ + eps_root) + eps."""
    m = v = 0.0
    for t, g in enumerate(gs, 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        x = x - lr * (m / (1 - b1**t)) / (math.sqrt(v / (1 - b2**t) + eps_root) + eps)
        yield x


def adam_kao(x, gs, lr, beta_1, beta_2, nu):
    """Kao's Adam without bias correction: θ ← θ − ε/(√a + ν)·v."""
    v = a = 0.0
    for g in gs:
        v = beta_1 * v + (1 - beta_1) * g
        a = beta_2 * a + (1 - beta_2) * g * g
        x = x - lr / (math.sqrt(a) + nu) * v
        yield x


def adamax_torch(x, gs, lr, betas, eps, weight_decay=0.0):
    """Kingma & Ba 2015, algorithm 2, with ε beside |g|: u ← max(β₂u, |g| + ε)."""
    (b1, b2), m, u = betas, 0.0, 0.0
    for t, g in enumerate(gs, 1):
        g = g + weight_decay * x
        m = b1 * m + (1 - b1) * g
        u = max(b2 * u, abs(g) + eps)
        x = x - lr / (1 - b1**t) * m / u
        yield x


def adamax_optax(x, gs, lr, b1, b2, eps):
    """The same, under optax's names."""
    return adamax_torch(x, gs, lr, (b1, b2), eps)


def adadelta(x, gs, lr, rho, eps, weight_decay=0.0, decoupled_weight_decay=False):
    """Zeiler 2012, algorithm 1 (Ruder eq. 11), times a learning rate."""
    e_g = e_x = 0.0
    for g in gs:
        if decoupled_weight_decay:
            x = x * (1 - lr * weight_decay)
        else:
            g = g + weight_decay * x
        e_g = rho * e_g + (1 - rho) * g * g
        dx = -math.sqrt(e_x + eps) / math.sqrt(e_g + eps) * g
        e_x = rho * e_x + (1 - rho) * dx * dx
        x = x + lr * dx
        yield x


def adadelta_preliminary(x, gs, lr, rho, eps):
    """Ruder eq. 7: θ ← θ − η / √(E[g²] + ε) · g."""
    e_g = 0.0
    for g in gs:
        e_g = rho * e_g + (1 - rho) * g * g
        x = x - lr / math.sqrt(e_g + eps) * g
        yield x


def amsgrad_torch(x, gs, lr, betas, eps, weight_decay=0.0, decoupled_weight_decay=False):
    """The maximum is over the raw v, and is corrected for bias afterwards."""
    (b1, b2), m, v, v_max = betas, 0.0, 0.0, 0.0
    for t, g in enumerate(gs, 1):
        if decoupled_weight_decay:
            x = x * (1 - lr * weight_decay)
        else:
            g = g + weight_decay * x
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        v_max = max(v_max, v)
        x = x - lr * (m / (1 - b1**t)) / (math.sqrt(v_max / (1 - b2**t)) + eps)
        yield x


def amsgrad_optax(x, gs, lr, b1, b2, eps):
    """v is corrected for bias first, and the maximum is over the corrected one."""
    m = v = v_max = 0.0
    for t, g in enumerate(gs, 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        v_max = max(v_max, v / (1 - b2**t))
        x = x - lr * (m / (1 - b1**t)) / (math.sqrt(v_max) + eps)
        yield x


def amsgrad_lecture(x, gs, lr, beta_1, beta_2, epsilon, inside):
    """Kitov: "renormalization m, v is not applied and needed". The slide's last line prints m̂, which it never
    defines; m is what its first line computes. ε outside the root, as printed, or `inside` it."""
    m = v = v_hat = 0.0
    for g in gs:
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g * g
        v_hat = max(v_hat, v)
        x = x - lr / (math.sqrt(v_hat + epsilon) if inside else math.sqrt(v_hat) + epsilon) * m
        yield x


def nadam_torch(x, gs, lr, betas, eps, momentum_decay, weight_decay=0.0, decoupled_weight_decay=False):
    """μₜ schedules the look-ahead and its bias correction only: m itself decays by the constant β₁, as in Keras."""
    (b1, b2), m, v, product = betas, 0.0, 0.0, 1.0
    for t, g in enumerate(gs, 1):
        if decoupled_weight_decay:
            x = x * (1 - lr * weight_decay)
        else:
            g = g + weight_decay * x
        mu = b1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))
        mu_next = b1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
        product = product * mu
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        m_hat = mu_next * m / (1 - product * mu_next) + (1 - mu) * g / (1 - product)
        x = x - lr * m_hat / (math.sqrt(v / (1 - b2**t)) + eps)
        yield x


def nadam_optax(x, gs, lr, b1, b2, eps):
    """Constant β₁, with m corrected one step ahead: m̂ = β₁m/(1 − β₁ᵗ⁺¹) + (1 − β₁)g/(1 − β₁ᵗ)."""
    m = v = 0.0
    for t, g in enumerate(gs, 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        m_hat = b1 * m / (1 - b1 ** (t + 1)) + (1 - b1) * g / (1 - b1**t)
        x = x - lr * m_hat / (math.sqrt(v / (1 - b2**t)) + eps)
        yield x


def nadam_dozat(x, gs, lr, mu, nu, epsilon, momentum_decay):
    """Dozat, ICLR 2016 workshop, algorithm 2 as printed; α 0.002 and μₜ = μ(1 − ½·0.96^(t/250)) are its experiment's.

    Two things set the printed algorithm apart from PyTorch and Keras:
      - m decays by the scheduled μₜ, m ← μₜm + (1 − μₜ)g, where they decay it by the constant β₁;
      - n̂ ← νn/(1 − νᵗ) has a factor ν more than Adam's. Neither Dozat's 2015 report nor his code has it, and his
        readers take it for a misprint (tdozat/Optimization issue 3, a comment in optax's scale_by_adam). It is kept.
    """
    m = n = 0.0
    product = 1.0
    for t, g in enumerate(gs, 1):
        mu_t = mu * (1 - 0.5 * 0.96 ** (momentum_decay * t))
        mu_next = mu * (1 - 0.5 * 0.96 ** (momentum_decay * (t + 1)))
        product = product * mu_t
        m = mu_t * m + (1 - mu_t) * g
        n = nu * n + (1 - nu) * g * g
        m_hat = mu_next * m / (1 - product * mu_next) + (1 - mu_t) * g / (1 - product)
        n_hat = nu * n / (1 - nu**t)
        x = x - lr / (math.sqrt(n_hat) + epsilon) * m_hat
        yield x


def nadam_lecture(x, gs, lr, beta_1, beta_2, epsilon):
    """Ruder's overview: constant β₁, and m̂ corrected with the current power: θ ← θ − η/(√v̂ + ε)·(β₁m̂ + …)."""
    m = v = 0.0
    for t, g in enumerate(gs, 1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g * g
        m_hat = m / (1 - beta_1**t)
        v_hat = v / (1 - beta_2**t)
        x = x - lr / (math.sqrt(v_hat) + epsilon) * (beta_1 * m_hat + (1 - beta_1) * g / (1 - beta_1**t))
        yield x


def rmsprop_torch(x, gs, lr, alpha, eps, momentum=0.0, centered=False, weight_decay=0.0):
    """ε outside the root; b ← μb + g/(√v + ε), then θ ← θ − ηb: the learning rate is not in the buffer."""
    v = mean = b = 0.0
    for g in gs:
        g = g + weight_decay * x
        v = alpha * v + (1 - alpha) * g * g
        mean = alpha * mean + (1 - alpha) * g
        b = momentum * b + g / (math.sqrt(v - mean * mean if centered else v) + eps)
        x = x - lr * b
        yield x


def rmsprop_optax(x, gs, lr, decay, eps, eps_in_sqrt=True, centered=False, momentum=0.0, nesterov=False):
    """optax chains: scale by 1/√(v + ε), then by −η, then the trace b ← u + μb: the learning rate is in the buffer.
    With Nesterov the update is u + μb for the new b."""
    v = mean = b = 0.0
    for g in gs:
        v = decay * v + (1 - decay) * g * g
        mean = decay * mean + (1 - decay) * g
        spread = v - mean * mean if centered else v
        u = -lr * g / (math.sqrt(spread + eps) if eps_in_sqrt else math.sqrt(spread) + eps)
        b = u + momentum * b
        x = x + (u + momentum * b if nesterov else b)
        yield x


def rmsprop_rud(x, gs, lr, gamma, epsilon):
    """Ruder eq. 12: E[g²] ← γE[g²] + (1 − γ)g²; θ ← θ − η / √(E[g²] + ε) · g."""
    e_g = 0.0
    for g in gs:
        e_g = gamma * e_g + (1 - gamma) * g * g
        x = x - lr / math.sqrt(e_g + epsilon) * g
        yield x


def rmsprop_kao_momentum(x, gs, lr, beta, alpha, nu):
    """Kao: a ← βa + (1 − β)g²; v ← αv − ε/(√a + ν)·g; θ ← θ + v."""
    a = v = 0.0
    for g in gs:
        a = beta * a + (1 - beta) * g * g
        v = alpha * v - lr / (math.sqrt(a) + nu) * g
        x = x + v
        yield x


def rmsprop_kao_inside(x, gs, lr, beta, nu):
    """Kao's code for RMSProp without momentum: x -= eps * g / np.sqrt(a + nu). His equation, and his code with
    momentum, have ν outside."""
    a = 0.0
    for g in gs:
        a = beta * a + (1 - beta) * g * g
        x = x - lr * g / math.sqrt(a + nu)
        yield x


def rmsprop_kao_nesterov(x, gs, lr, beta, alpha, nu):
    """Nesterov after the change of variables: u = ε/(√a + ν)·g; v ← αv − u; θ ← θ + αv − u for the new v."""
    a = v = 0.0
    for g in gs:
        a = beta * a + (1 - beta) * g * g
        u = lr / (math.sqrt(a) + nu) * g
        v = alpha * v - u
        x = x + alpha * v - u
        yield x


def radam(x, gs, lr, betas, eps, weight_decay=0.0, decoupled_weight_decay=False):
    """Liu et al. 2020, algorithm 2; PyTorch adds ε to the uncorrected root."""
    (b1, b2), m, v = betas, 0.0, 0.0
    rho_inf = 2 / (1 - b2) - 1
    for t, g in enumerate(gs, 1):
        if decoupled_weight_decay:
            x = x * (1 - lr * weight_decay)
        else:
            g = g + weight_decay * x
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        m_hat = m / (1 - b1**t)
        rho = rho_inf - 2 * t * b2**t / (1 - b2**t)
        if rho > 5:
            r = math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
            x = x - lr * m_hat * r * math.sqrt(1 - b2**t) / (math.sqrt(v) + eps)
        else:
            x = x - lr * m_hat
        yield x


def radam_optax(x, gs, lr, b1, b2, eps):
    """The same with ε beside the corrected root, and rectified from ρ = 5 on."""
    m = v = 0.0
    rho_inf = 2 / (1 - b2) - 1
    for t, g in enumerate(gs, 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        m_hat = m / (1 - b1**t)
        rho = rho_inf - 2 * t * b2**t / (1 - b2**t)
        if rho >= 5:
            r = math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
            x = x - lr * m_hat * r / (math.sqrt(v / (1 - b2**t)) + eps)
        else:
            x = x - lr * m_hat
        yield x


def sign(x):
    return (x > 0) * 1.0 - (x < 0) * 1.0


def yogi_optax(x, gs, lr, b1, b2, eps):
    """Zaheer et al. 2018, algorithm 2, with both averages started from 1e-6 and corrected as Adam's."""
    m = v = 1e-6
    for t, g in enumerate(gs, 1):
        m = b1 * m + (1 - b1) * g
        v = v - (1 - b2) * sign(v - g * g) * g * g
        x = x - lr * (m / (1 - b1**t)) / (math.sqrt(v / (1 - b2**t)) + eps)
        yield x


def yogi_paper(x, gs, lr, beta_1, beta_2, epsilon, start):
    """Zaheer et al. 2018, algorithm 2, as printed, with v started from `start`."""
    m, v = 0.0, start
    for g in gs:
        m = beta_1 * m + (1 - beta_1) * g
        v = v - (1 - beta_2) * sign(v - g * g) * g * g
        x = x - lr * m / (math.sqrt(v) + epsilon)
        yield x


def adabelief(x, gs, lr, b1, b2, eps, eps_root):
    """Zhuang et al. 2020, algorithm 2: ε is added to s at each step, and to its root."""
    m = s = 0.0
    for t, g in enumerate(gs, 1):
        m = b1 * m + (1 - b1) * g
        s = b2 * s + (1 - b2) * (g - m) ** 2 + eps_root
        x = x - lr * (m / (1 - b1**t)) / (math.sqrt(s / (1 - b2**t)) + eps)
        yield x


def lion(x, gs, lr, b1, b2, weight_decay):
    """Chen et al. 2023, algorithm 2: the sign of one interpolation, the momentum is another; decoupled decay."""
    m = 0.0
    for g in gs:
        c = b1 * m + (1 - b1) * g
        m = b2 * m + (1 - b2) * g
        x = x - lr * (sign(c) + weight_decay * x)
        yield x


def lion_torch(x, gs, lr, betas, weight_decay):
    """The same, under the names of pytorch_optimizer."""
    return lion(x, gs, lr, *betas, weight_decay)


def adan_torch(x, gs, lr, betas, eps, weight_decay=0.0, weight_decouple=False):
    """Xie et al. 2022, algorithm 1, with the bias corrections of the authors' code, whose betas are 1 - the paper's.
    `weight_decouple` is their `no_prox`: the decay before the step, in the place of the proximal one."""
    (b1, b2, b3), m, v, n, before = betas, 0.0, 0.0, 0.0, None
    for t, g in enumerate(gs, 1):
        d = 0.0 if before is None else g - before
        before = g
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * d
        n = b3 * n + (1 - b3) * (g + b2 * d) ** 2
        step = lr / (math.sqrt(n / (1 - b3**t)) + eps) * (m / (1 - b1**t) + b2 * v / (1 - b2**t))
        x = x * (1 - lr * weight_decay) - step if weight_decouple else (x - step) / (1 + lr * weight_decay)
        yield x


def adan_optax(x, gs, lr, b1, b2, b3, eps, eps_root, weight_decay=0.0):
    """optax looks ahead by 1 - b2, though its b2 is a share of the past, as the authors' is; no proximal decay."""
    m = v = n = 0.0
    before = None
    for t, g in enumerate(gs, 1):
        d = 0.0 if before is None else g - before
        before = g
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * d
        n = b3 * n + (1 - b3) * (g + (1 - b2) * d) ** 2
        u = (m / (1 - b1**t) + (1 - b2) * v / (1 - b2**t)) / (math.sqrt(n / (1 - b3**t) + eps_root) + eps)
        x = x - lr * (u + weight_decay * x)
        yield x


def nadamw_algoperf(x, gs, lr, b1, b2, eps, weight_decay):
    """AlgoPerf's nadamw (init2winit): m is decayed once more by g, corrected by the current power; decoupled decay."""
    m = v = 0.0
    for t, g in enumerate(gs, 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        m_hat = (b1 * m + (1 - b1) * g) / (1 - b1**t)
        x = x - lr * (m_hat / (math.sqrt(v / (1 - b2**t)) + eps) + weight_decay * x)
        yield x


def rprop(x, gs, lr, etas, step_sizes):
    """Riedmiller & Braun 1993 without backtracking: after a change of sign the step is left out and g counts as 0."""
    (minus, plus), (low, high), before, size = etas, step_sizes, 0.0, lr
    for g in gs:
        product = sign(g) * sign(before)
        size = min(max(size * (plus if product > 0 else minus if product < 0 else 1.0), low), high)
        g = 0.0 if product < 0 else g
        x = x - sign(g) * size
        before = g
        yield x


def asgd(x, gs, lr, lambd, alpha, weight_decay=0.0):
    """PyTorch: ηₜ = η/(1 + λη(t − 1))^α; θ ← θ(1 − ληₜ) − ηₜg."""
    for t, g in enumerate(gs, 1):
        g = g + weight_decay * x
        eta = lr / (1 + lambd * lr * (t - 1)) ** alpha
        x = x * (1 - lambd * eta) - eta * g
        yield x


def schedule_free(x, gs, lr, b1, weight_decay=0.0, b2=None, eps=0.0):
    """Defazio et al. 2024 with a constant rate: all steps weigh the same. The trajectory is that of y."""
    y = z = x
    v = 0.0
    for t, g in enumerate(gs, 1):
        if b2 is not None:
            v = b2 * v + (1 - b2) * g * g
            g = g / (math.sqrt(v / (1 - b2**t)) + eps)
        g = g + weight_decay * y
        z = z - lr * g
        x = (1 - 1 / t) * x + z / t
        y = (1 - b1) * z + b1 * x
        yield y


# ------------------------------------------------------------------------------------------------------- the sources


def torch_steps(optimizer, decay_first=0.0):
    """`decay_first` multiplies the parameters before each step: decoupled decay for optimizers that have no flag."""

    def run(theta, gradients, lr, **settings):
        p = torch.nn.Parameter(torch.tensor(theta))
        step = optimizer([p], lr=lr, **settings).step
        for gradient in gradients:
            p.grad = torch.tensor(gradient)
            if decay_first:
                p.data.mul_(1 - lr * decay_first)
            step()
            yield p.tolist()

    return run


def optax_steps(optimizer):
    def run(theta, gradients, lr, **settings):
        rule = optimizer(lr, **settings)
        p = jax.numpy.asarray(theta, dtype="float64")
        state = rule.init(p)
        update = jax.jit(rule.update)
        for gradient in gradients:
            updates, state = update(jax.numpy.asarray(gradient, dtype="float64"), state, p)
            p = optax.apply_updates(p, updates)
            yield [float(x) for x in p]

    return run


def formula_steps(formula, number=float):
    """One coordinate at a time. With `number=np.float32` the same formula rounds as a test in f32 would."""

    def run(theta, gradients, lr, **settings):
        columns = [
            formula(number(x), [number(row[i]) for row in gradients], lr, **settings) for i, x in enumerate(theta)
        ]
        for row in zip(*columns, strict=True):
            yield [float(x) for x in row]

    return run


def nadamw(lr, b1, b2, eps, weight_decay):
    """AlgoPerf's nadamw, of optax's own parts."""

    def update(g, state, params=None):
        m, v, t = state
        m = optax.tree.update_moment(g, m, b1, 1)
        v = optax.tree.update_moment(g, v, b2, 2)
        m_hat = optax.tree.bias_correction(optax.tree.update_moment(g, m, b1, 1), b1, t + 1)
        v_hat = optax.tree.bias_correction(v, b2, t + 1)
        return m_hat / (jax.numpy.sqrt(v_hat) + eps), (m, v, t + 1)

    def start(params):
        return jax.numpy.zeros_like(params), jax.numpy.zeros_like(params), jax.numpy.zeros([], "int32")

    return optax.chain(
        optax.GradientTransformation(start, update),
        optax.add_decayed_weights(weight_decay),
        optax.scale_by_learning_rate(lr),
    )


# --------------------------------------------------------------------------------------------------------- the cases

Adadelta, Adagrad = torch.optim.Adadelta, torch.optim.Adagrad
Adam, Adamax = torch.optim.Adam, torch.optim.Adamax
NAdam, RMSprop, SGD = torch.optim.NAdam, torch.optim.RMSprop, torch.optim.SGD


def adan(p, **settings):
    return pytorch_optimizer.Adan(p, foreach=False, **settings)


def amsgrad(optimizer):
    return lambda p, **settings: optimizer(p, amsgrad=True, **settings)


ADAM = {"betas": [0.9, 0.999], "eps": 1e-8}
WIDE = {"betas": [0.8, 0.95], "eps": 1e-4}
BETAS = {"b1": 0.9, "b2": 0.999, "eps": 1e-8}
COUPLED = {"decoupled_weight_decay": False}
DECOUPLED = {"decoupled_weight_decay": True}
KAO = {"beta": 0.99, "nu": 1e-7}
DOZAT = {"mu": 0.99, "nu": 0.999, "epsilon": 1e-8, "momentum_decay": 0.004}
LECTURE = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}

ADAN = {"betas": [0.98, 0.92, 0.99], "eps": 1e-8}

# Without a gradient, optax's Yogi moves by its start of m, and ASGD by its λ.
RESTLESS = ["yogi_optax", "asgd_torch"]
RPROP = {"etas": [0.5, 1.2], "step_sizes": [1e-6, 50.0]}
BELIEF = {"b1": 0.9, "b2": 0.999, "eps": 1e-8, "eps_root": 1e-8}

# name, library (or None), formula, lr, settings under the source's own names
CASES = [
    ("adadelta_torch", Adadelta, adadelta, 1.0, {"rho": 0.9, "eps": 1e-6}),
    ("adadelta_torch_rho95", Adadelta, adadelta, 0.5, {"rho": 0.95, "eps": 1e-4}),
    ("adadelta_torch_l2", Adadelta, adadelta, 1.0, {"rho": 0.9, "eps": 1e-6, "weight_decay": 0.01}),
    # torch's Adadelta has no decoupled decay: θ is scaled, then torch steps.
    ("adadelta_torch_decoupled", Adadelta, adadelta, 1.0, {"rho": 0.9, "eps": 1e-6, "weight_decay": 0.01} | DECOUPLED),
    ("amsgrad_torch", amsgrad(Adam), amsgrad_torch, 1e-3, ADAM),
    ("amsgrad_torch_betas", amsgrad(Adam), amsgrad_torch, 0.05, WIDE),
    ("amsgrad_torch_l2", amsgrad(Adam), amsgrad_torch, 0.01, ADAM | {"weight_decay": 0.05}),
    # torch.optim.AdamW is Adam with the flag set.
    ("amsgrad_torch_decoupled", amsgrad(Adam), amsgrad_torch, 0.01, ADAM | {"weight_decay": 0.1} | DECOUPLED),
    ("nadam_torch", NAdam, nadam_torch, 2e-3, ADAM | {"momentum_decay": 0.004}),
    ("nadam_torch_betas", NAdam, nadam_torch, 0.05, WIDE | {"momentum_decay": 0.02}),
    ("nadam_torch_l2", NAdam, nadam_torch, 0.01, ADAM | {"momentum_decay": 0.004, "weight_decay": 0.1} | COUPLED),
    (
        "nadam_torch_decoupled", NAdam, nadam_torch, 0.01,
        ADAM | {"momentum_decay": 0.004, "weight_decay": 0.1} | DECOUPLED,
    ),
    ("rmsprop_torch", RMSprop, rmsprop_torch, 0.01, {"alpha": 0.99, "eps": 1e-8}),
    ("rmsprop_torch_momentum", RMSprop, rmsprop_torch, 0.01, {"alpha": 0.99, "eps": 1e-8, "momentum": 0.9}),
    ("rmsprop_torch_centered", RMSprop, rmsprop_torch, 0.01, {"alpha": 0.99, "eps": 1e-8, "centered": True}),
    (
        "rmsprop_torch_centered_momentum", RMSprop, rmsprop_torch, 0.01,
        {"alpha": 0.9, "eps": 1e-4, "momentum": 0.9, "centered": True},
    ),
    (
        "rmsprop_torch_l2", RMSprop, rmsprop_torch, 0.01,
        {"alpha": 0.99, "eps": 1e-8, "momentum": 0.5, "weight_decay": 0.05},
    ),
    ("sgd_torch", SGD, sgd, 0.01, {"momentum": 0.0}),
    ("sgd_torch_momentum", SGD, sgd, 0.01, {"momentum": 0.9}),
    ("sgd_torch_nesterov", SGD, sgd, 0.01, {"momentum": 0.9, "nesterov": True}),
    ("sgd_torch_dampening", SGD, sgd, 0.01, {"momentum": 0.9, "dampening": 0.1}),
    ("sgd_torch_l2", SGD, sgd, 0.01, {"momentum": 0.9, "weight_decay": 0.05}),
    ("momentum_lecture", None, momentum_lecture, 0.01, {"gamma": 0.8}),
    ("momentum_serra", None, momentum_serra, 0.1, {"beta": 0.98}),
    ("nesterov_kao", None, nesterov_kao, 0.01, {"alpha": 0.8}),
    ("normalized_gradient", None, normalized_gradient, 0.01, {"epsilon": 1e-2}),
    ("adagrad_torch", Adagrad, adagrad_torch, 0.01, {"eps": 1e-10}),
    (
        "adagrad_torch_decays", Adagrad, adagrad_torch, 0.1,
        {"eps": 1e-3, "lr_decay": 0.1, "initial_accumulator_value": 0.5},
    ),
    ("adagrad_torch_l2", Adagrad, adagrad_torch, 0.1, {"eps": 1e-10, "weight_decay": 0.05}),
    ("adagrad_optax", optax.adagrad, adagrad_inside, 0.1, {"eps": 1e-7, "initial_accumulator_value": 0.1}),
    ("adagrad_ruder", None, adagrad_inside, 0.02, {"eps": 1e-8}),
    ("adam_torch", Adam, adam_torch, 1e-3, ADAM),
    ("adam_torch_betas", Adam, adam_torch, 0.05, WIDE),
    ("adam_torch_l2", Adam, adam_torch, 0.01, ADAM | {"weight_decay": 0.05}),
    ("adam_torch_decoupled", Adam, adam_torch, 0.01, ADAM | {"weight_decay": 0.1} | DECOUPLED),
    ("adam_optax_inside", optax.adam, adam_optax, 0.01, {"b1": 0.9, "b2": 0.99, "eps": 0.0, "eps_root": 1e-6}),
    ("adam_kao", None, adam_kao, 0.01, {"beta_1": 0.9, "beta_2": 0.999, "nu": 1e-7}),
    ("adamax_torch", Adamax, adamax_torch, 2e-3, ADAM),
    ("adamax_torch_betas", Adamax, adamax_torch, 0.05, WIDE),
    ("adamax_torch_l2", Adamax, adamax_torch, 0.01, ADAM | {"weight_decay": 0.05}),
    ("adamax_optax", optax.adamax, adamax_optax, 5e-3, {"b1": 0.9, "b2": 0.99, "eps": 1e-8}),
    ("adadelta_optax", optax.adadelta, adadelta, 1.0, {"rho": 0.9, "eps": 1e-6}),
    ("nadam_optax", optax.nadam, nadam_optax, 2e-3, BETAS),
    ("amsgrad_optax", optax.amsgrad, amsgrad_optax, 1e-3, BETAS),
    ("rmsprop_optax", optax.rmsprop, rmsprop_optax, 0.01, {"decay": 0.9, "eps": 1e-8}),
    ("rmsprop_optax_outside", optax.rmsprop, rmsprop_optax, 0.01, {"decay": 0.9, "eps": 1e-8, "eps_in_sqrt": False}),
    ("rmsprop_optax_momentum", optax.rmsprop, rmsprop_optax, 0.01, {"decay": 0.9, "eps": 1e-8, "momentum": 0.9}),
    (
        "rmsprop_optax_nesterov", optax.rmsprop, rmsprop_optax, 0.01,
        {"decay": 0.9, "eps": 1e-8, "momentum": 0.9, "nesterov": True},
    ),
    ("rmsprop_optax_centered", optax.rmsprop, rmsprop_optax, 0.01, {"decay": 0.9, "eps": 1e-8, "centered": True}),
    (
        "rmsprop_optax_centered_nesterov", optax.rmsprop, rmsprop_optax, 0.01,
        {"decay": 0.9, "eps": 1e-8, "centered": True, "momentum": 0.9, "nesterov": True},
    ),
    ("adadelta_preliminary", None, adadelta_preliminary, 0.01, {"rho": 0.9, "eps": 1e-6}),
    ("amsgrad_lecture", None, amsgrad_lecture, 1e-3, LECTURE | {"inside": False}),
    ("amsgrad_lecture_inside", None, amsgrad_lecture, 1e-3, LECTURE | {"epsilon": 1e-6, "inside": True}),
    ("nadam_dozat", None, nadam_dozat, 2e-3, DOZAT),
    ("nadam_lecture", None, nadam_lecture, 2e-3, LECTURE),
    ("rmsprop_kao_momentum", None, rmsprop_kao_momentum, 0.01, KAO | {"alpha": 0.9}),
    ("rmsprop_kao_inside", None, rmsprop_kao_inside, 0.01, KAO),
    ("rmsprop_kao_nesterov", None, rmsprop_kao_nesterov, 0.01, KAO | {"alpha": 0.9}),
    ("radam_torch", torch.optim.RAdam, radam, 1e-3, ADAM),
    ("radam_torch_betas", torch.optim.RAdam, radam, 0.05, WIDE),
    ("radam_torch_l2", torch.optim.RAdam, radam, 0.01, ADAM | {"weight_decay": 0.05}),
    ("radam_torch_decoupled", torch.optim.RAdam, radam, 0.01, ADAM | {"weight_decay": 0.1} | DECOUPLED),
    ("radam_optax", optax.radam, radam_optax, 1e-3, BETAS),
    ("yogi_optax", optax.yogi, yogi_optax, 0.01, {"b1": 0.9, "b2": 0.999, "eps": 1e-3}),
    ("yogi_paper", None, yogi_paper, 0.01, {"beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-3, "start": 1e-6}),
    ("adabelief_optax", optax.adabelief, adabelief, 1e-3, BELIEF),
    ("rprop_torch", torch.optim.Rprop, rprop, 0.01, RPROP),
    ("rprop_torch_bounds", torch.optim.Rprop, rprop, 0.1, {"etas": [0.4, 1.5], "step_sizes": [1e-2, 0.3]}),
    ("asgd_torch", torch.optim.ASGD, asgd, 0.01, {"lambd": 1e-4, "alpha": 0.75}),
    ("asgd_torch_fast", torch.optim.ASGD, asgd, 0.1, {"lambd": 0.05, "alpha": 0.6, "weight_decay": 0.01}),
    ("schedule_free_sgd_optax", optax.contrib.schedule_free_sgd, schedule_free, 0.1, {"b1": 0.9}),
    (
        "schedule_free_sgd_optax_decay", optax.contrib.schedule_free_sgd, schedule_free, 0.1,
        {"b1": 0.8, "weight_decay": 0.05},
    ),
    (
        "schedule_free_adamw_optax", optax.contrib.schedule_free_adamw, schedule_free, 2.5e-3,
        {"b1": 0.9, "b2": 0.999, "eps": 1e-8},
    ),
    (
        "schedule_free_adamw_optax_decay", optax.contrib.schedule_free_adamw, schedule_free, 0.05,
        {"b1": 0.95, "b2": 0.99, "eps": 1e-4, "weight_decay": 0.1},
    ),
    ("lion_torch", pytorch_optimizer.Lion, lion_torch, 1e-3, {"betas": [0.9, 0.99], "weight_decay": 0.1}),
    ("lion_optax", optax.lion, lion, 1e-2, {"b1": 0.9, "b2": 0.99, "weight_decay": 1e-3}),
    ("lion_optax_betas", optax.lion, lion, 1e-2, {"b1": 0.5, "b2": 0.8, "weight_decay": 0.0}),
    ("adan_torch", adan, adan_torch, 1e-2, ADAN),
    (
        "adan_torch_betas", adan, adan_torch, 0.05,
        {"betas": [0.9, 0.6, 0.95], "eps": 1e-4, "weight_decay": 0.3, "weight_decouple": False},
    ),
    ("adan_torch_proximal", adan, adan_torch, 1e-2, ADAN | {"weight_decay": 0.5, "weight_decouple": False}),
    ("adan_torch_no_prox", adan, adan_torch, 1e-2, ADAN | {"weight_decay": 0.5, "weight_decouple": True}),
    ("adan_optax", optax.adan, adan_optax, 1e-2, {"b1": 0.98, "b2": 0.92, "b3": 0.99, "eps": 1e-8, "eps_root": 1e-8}),
    (
        "adan_optax_decay", optax.adan, adan_optax, 0.05,
        {"b1": 0.9, "b2": 0.6, "b3": 0.95, "eps": 1e-4, "eps_root": 1e-6, "weight_decay": 0.1},
    ),
    (
        "nadamw_algoperf_optax", nadamw, nadamw_algoperf, 0.0017486387539278373,
        {"b1": 1 - 0.06733926164, "b2": 0.9955159689799007, "eps": 1e-8, "weight_decay": 0.08121616522670176},
    ),
    ("rmsprop_rud", None, rmsprop_rud, 1e-3, {"gamma": 0.9, "epsilon": 1e-8}),
]


def library_steps(name, library, settings):
    """The runner of a library's optimizer, and the settings that it takes."""
    if "_optax" in name:
        return optax_steps(library), settings
    if name == "adadelta_torch_decoupled":
        rest = {key: value for key, value in settings.items() if "weight_decay" not in key}
        return torch_steps(library, decay_first=settings["weight_decay"]), rest
    return torch_steps(library), settings


# ---------------------------------------------------------------------------------------------------------- the file


def difference(left, right):
    """Largest |x − y| / max(1, |y|) over two trajectories."""
    return max(
        abs(x - y) / max(1.0, abs(y))
        for row, other in zip(left, right, strict=True)
        for x, y in zip(row, other, strict=True)
    )


def case(name, library, formula, lr, settings, theta, gradients):
    plain = list(formula_steps(formula)(theta, gradients, lr, **settings))
    rounded = list(formula_steps(formula, np.float32)(theta, gradients, lr, **settings))
    source, trajectory, gap = "formula", plain, 0.0
    if library is not None:
        source = "optax" if "_optax" in name else "torch"
        run, accepted = library_steps(name, library, settings)
        trajectory = list(run(theta, gradients, lr, **accepted))
        gap = difference(plain, trajectory)
        assert gap <= AGREEMENT, f"{name}: {source} and the formula differ by {gap:.1e}"
    assert all(math.isfinite(x) for row in trajectory for x in row), name
    idle = all(abs(row[4] - theta[4]) <= AGREEMENT for row in trajectory)
    assert idle or "weight_decay" in settings or name in RESTLESS, name
    spread = difference(rounded, trajectory)
    print(f"{name:32} {source:8} formula {gap:.1e}   in f32 {spread:.1e}")
    assert spread <= TOLERANCE["f32"], f"{name}: f32 rounding alone is {spread:.1e}"
    return {
        "name": name,
        "source": source,
        "lr": lr,
        "settings": settings,
        "trajectory": {str(t): trajectory[t - 1] for t in SAVED},
    }


def main():
    theta, gradients = problem()
    names = [entry[0] for entry in CASES]
    assert len(set(names)) == len(names)
    document = {
        "generator": "crates/burn-descent/tests/suite/golden/generate.py",
        "torch": torch.__version__,
        "optax": version("optax"),
        "pytorch_optimizer": version("pytorch_optimizer"),
        "tolerance": TOLERANCE,
        "theta": theta,
        "gradients": gradients,
        "cases": [case(*entry, theta, gradients) for entry in CASES],
    }
    ends = {entry["name"]: entry["trajectory"] for entry in document["cases"]}
    for i, left in enumerate(names):
        for right in names[i + 1 :]:
            apart = difference(ends[left].values(), ends[right].values())
            if apart < 1e3 * TOLERANCE["f32"]:
                print(f"{left} and {right} differ by {apart:.1e} only")
    path = HERE / "first_order.json"
    path.write_text(written(document))
    assert json.loads(path.read_text()) == document
    print(f"{path}: {len(names)} cases")


if __name__ == "__main__":
    main()
