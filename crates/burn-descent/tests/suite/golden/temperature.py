"""Writes temperature.json: a year of daily temperatures as in the lecture's figure (Serra), and their exponentially weighted
averages as pandas computes them. The first day has 4 degrees, the second 9, the two hundredth 20, as the lecture says; the
others are drawn.

Run: python3 temperature.py (numpy, pandas)
"""

import json
import pathlib

import numpy
import pandas

DAYS = 365
draw = numpy.random.default_rng(1)
days = numpy.arange(1, DAYS + 1)
year = numpy.round(11.5 - 8.5 * numpy.cos(2 * numpy.pi * (days - 15) / DAYS) + draw.normal(0, 2.5, DAYS), 1)
year[[0, 1, 199]] = [4.0, 9.0, 20.0]

averages = {}
for beta in [0.5, 0.9, 0.98]:
    # Without `adjust`, pandas starts from the first value: here that is the zero which the lecture starts from.
    started = pandas.Series([0.0, *year])
    averages[str(beta)] = {
        "uncorrected": started.ewm(alpha=1 - beta, adjust=False).mean().tolist()[1:],
        "corrected": pandas.Series(year).ewm(alpha=1 - beta, adjust=True).mean().tolist(),
    }

path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps({"temperatures": year.tolist(), "averages": averages}, indent=None) + "\n")
