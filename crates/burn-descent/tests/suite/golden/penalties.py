#!/usr/bin/env python3
"""Writes penalties.json: what ridge and lasso regression come to, from scikit-learn.

    pip install scikit-learn
    python crates/burn-descent/tests/suite/golden/penalties.py

Half the mean squared error of `inputs @ w - targets`, and penalties of several strengths: α/2·‖w‖² and α·‖w‖₁.
"""

import json
import random
import struct
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rows import written
from sklearn.linear_model import Lasso, Ridge

ROWS, FEATURES = 40, 8
RIDGE = [0.01, 0.1, 1.0]
LASSO = [0.01, 0.1, 0.5]
HERE = Path(__file__).resolve().parent


def problem():
    """Numbers that are exact in f32. Three features matter; two others are almost the same."""
    chance = random.Random(15112012)

    def f32(x):
        return struct.unpack("f", struct.pack("f", x))[0]

    inputs = np.array([[f32(chance.gauss(0.0, 1.0)) for _ in range(FEATURES)] for _ in range(ROWS)])
    inputs[:, 7] = [f32(0.95 * x + 0.1 * chance.gauss(0.0, 1.0)) for x in inputs[:, 0]]
    true = np.array([1.5, 0.0, -2.0, 0.0, 0.0, 0.7, 0.0, 0.0])
    targets = np.array([f32(y + chance.gauss(0.0, 0.3)) for y in inputs @ true])
    return inputs, targets


def main():
    inputs, targets = problem()

    def fitted(model):
        return model.fit(inputs, targets).coef_.tolist()

    ridge = [
        {"strength": strength, "weights": fitted(Ridge(alpha=strength * ROWS, fit_intercept=False, tol=1e-14))}
        for strength in RIDGE
    ]
    lasso = [
        {"strength": strength, "weights": fitted(Lasso(alpha=strength, fit_intercept=False, tol=1e-14, max_iter=10**6))}
        for strength in LASSO
    ]
    result = {
        "generator": "crates/burn-descent/tests/suite/golden/penalties.py",
        "scikit-learn": version("scikit-learn"),
        "tolerance": 1e-9,
        "inputs": inputs.tolist(),
        "targets": targets.tolist(),
        "ridge": ridge,
        "lasso": lasso,
    }
    (HERE / "penalties.json").write_text(written(result))


if __name__ == "__main__":
    main()
