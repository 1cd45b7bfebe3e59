#!/usr/bin/env python3
"""Seconds to 98 % and 99 % of MNIST's test set, here and in PyTorch, measured in one sitting, as a Markdown table.

    python3 benches/race.py DATA_DIR [--python /path/to/python-with-torch] [--epochs N] [--every ITERATIONS] [--rounds 2]

Runs `examples/time_to_accuracy.rs` and `benches/mnist_pytorch.py` in turn, so that a slow spell of the machine falls on
both; nothing else should run meanwhile. Each of them trains the network that it comes with: here the default of the
`mnist` example, there that of pytorch/examples/mnist.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SIDES = ["burn-descent", "PyTorch"]


def run(command):
    print("+", " ".join(map(str, command)), file=sys.stderr, flush=True)
    subprocess.run(list(map(str, command)), cwd=ROOT, check=True, stdout=sys.stderr)


def measure(command):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.json"
        run([*command, "--json", path])
        return json.loads(path.read_text())


def mean(values):
    """Of those there are; nothing if a round did not get there."""
    return None if not values or None in values else sum(values) / len(values)


def cell(values, digits=1):
    shown = ["never" if value is None else f"{value:.{digits}f}" for value in values]
    average = mean(values)
    return shown[0] if len(shown) == 1 or average is None else f"{average:.{digits}f} ({', '.join(shown)})"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("data", type=Path, metavar="DATA_DIR")
    arguments.add_argument("--python", default="python3", help="a Python that has PyTorch")
    arguments.add_argument("--epochs", type=int, default=3, help="of ours; the schedule ends with them")
    arguments.add_argument("--pytorch-epochs", type=int, default=5, help="of PyTorch's")
    arguments.add_argument("--every", type=int, default=100, metavar="ITERATIONS", help="evaluate this often")
    arguments.add_argument("--stop-after", type=int, metavar="ITERATIONS", help="end early, to try the script")
    arguments.add_argument("--rounds", type=int, default=2, help="runs of each, with seeds 1, 2, ...")
    arguments.add_argument("--ours", default="", metavar="FLAGS", help='flags for ours: --ours="--backend ndarray"')
    arguments.add_argument("--cargo", default="--release", metavar="FLAGS", help='for cargo: --cargo="--profile dev"')
    arguments.add_argument("--json", type=Path, help="also write all results here")
    arguments = arguments.parse_args()

    data = arguments.data.resolve()
    cargo = ["cargo", "{}", *arguments.cargo.split(), "--example", "time_to_accuracy"]
    run([part.format("build") for part in cargo])
    common = ["--every", arguments.every]
    if arguments.stop_after:
        common += ["--stop-after", arguments.stop_after]
    commands = {
        "burn-descent": [*(part.format("run") for part in cargo), "--", "--data", data]
        + ["--epochs", arguments.epochs, *common, *arguments.ours.split()],
        "PyTorch": [arguments.python, ROOT / "benches" / "mnist_pytorch.py", data]
        + ["--epochs", arguments.pytorch_epochs, *common],
    }
    results = {side: [] for side in SIDES}
    for seed in range(1, arguments.rounds + 1):
        for side in SIDES:
            results[side].append(measure([*commands[side], "--seed", seed]))

    rows = [
        ("seconds to 98 %", lambda result: result["seconds_to_98"], 1),
        ("seconds to 99 %", lambda result: result["seconds_to_99"], 1),
        ("images/s in training", lambda result: result["images_per_second"], 0),
        ("best accuracy on the way, %", lambda result: 100 * max(point["accuracy"] for point in result["curve"]), 2),
        ("last accuracy, %", lambda result: 100 * result["curve"][-1]["accuracy"], 2),
        ("seconds in all", lambda result: result["curve"][-1]["seconds"], 1),
    ]
    ours, theirs = results["burn-descent"][0], results["PyTorch"][0]
    print(
        f"burn-descent {ours['burn_descent']} on {ours['backend']}: {ours['optimizer']}, batch {ours['batch']}, "
        f"{arguments.epochs} epochs. PyTorch {theirs['torch']}: Adadelta, batch {theirs['batch']}, "
        f"{arguments.pytorch_epochs} epochs. {theirs['threads']} threads.\n"
    )
    print("| | burn-descent | PyTorch | burn-descent is faster by |")
    print("| --- | --- | --- | --- |")
    for name, read, digits in rows:
        values = {side: [read(result) for result in results[side]] for side in SIDES}
        means = [mean(values[side]) for side in SIDES]
        if "images/s" in name:
            means.reverse()
        unequal = name == "seconds in all" and arguments.epochs != arguments.pytorch_epochs
        ratio = "" if None in means or "accuracy" in name or unequal else f"{means[1] / means[0]:.2f}"
        print(f"| {name} | {cell(values['burn-descent'], digits)} | {cell(values['PyTorch'], digits)} | {ratio} |")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
