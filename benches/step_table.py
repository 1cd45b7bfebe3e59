#!/usr/bin/env python3
"""Step times here, in burn-optim and in PyTorch, measured in one sitting, as Markdown tables.

    python3 benches/step_table.py [--python /path/to/python-with-torch] [--seconds 1.0] [--json FILE]

Runs `cargo bench --bench step` and `benches/step_pytorch.py`, one after the other: nothing else should run meanwhile.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETS = ["mlp", "large", "many"]

# Ours, burn-optim's counterpart, PyTorch's.
ROWS = [
    ("Adam", "burn Adam", "Adam"),
    ("Nadam", None, "NAdam"),
    ("Adamax", None, "Adamax"),
    ("Adagrad", "burn Adagrad", "Adagrad"),
    ("Adadelta", None, "Adadelta"),
    ("Amsgrad", "burn Adam amsgrad", "Adam amsgrad"),
    ("RmsProp momentum", "burn RmsProp momentum", "RMSprop momentum"),
    ("Sgd momentum", "burn Sgd momentum", "SGD momentum"),
    ("Sgd momentum noise", None, "SGD momentum noise"),
]

# Bytes that a step must read and write for each f32 parameter: θ and the state both ways, the gradient once.
TRAFFIC = [
    ("Adam", "ours", 28),
    ("Nadam", "ours", 28),
    ("Adamax", "ours", 28),
    ("Adagrad", "ours", 20),
    ("Amsgrad", "ours", 36),
    ("Adadelta", "ours", 28),
    ("RmsProp momentum", "ours", 28),
    ("Sgd momentum", "ours", 20),
    ("burn Adam", "ours", 28),
    ("Adam fused", "torch", 28),
    ("Adam", "torch", 28),
    ("NAdam", "torch", 28),
    ("Adam amsgrad", "torch", 36),
]


def run(command, **keywords):
    print("+", " ".join(map(str, command)), file=sys.stderr)
    return subprocess.run(command, cwd=ROOT, check=True, **keywords)


def measure_here(cargo_flags, bench_flags):
    """Median seconds of each benchmark by its full name, such as `step/large/Nadam/flex`, and its elements."""
    with tempfile.TemporaryDirectory() as home:
        command = ["cargo", "bench", *cargo_flags, "--bench", "step", "--", "--noplot", *bench_flags]
        run(command, env={**os.environ, "CRITERION_HOME": home}, stdout=sys.stderr)
        found = {}
        for path in Path(home).rglob("new/benchmark.json"):
            benchmark = json.loads(path.read_text())
            estimates = json.loads((path.parent / "estimates.json").read_text())
            seconds = estimates["median"]["point_estimate"] / 1e9
            found[benchmark["full_id"]] = (seconds, next(iter(benchmark["throughput"].values())))
    return found


def measure_pytorch(python, seconds):
    command = [python, ROOT / "benches" / "step_pytorch.py", "--seconds", str(seconds)]
    return json.loads(run(command, stdout=subprocess.PIPE, text=True).stdout)


def table(heading, rows):
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def milliseconds(value):
    return "" if value is None else f"{value:.3g}"


def ratio(other, ours):
    """How many times as long `other` takes."""
    return "" if other is None or ours is None else f"{other / ours:.2f}"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--python", default="python3", help="a Python that has PyTorch")
    arguments.add_argument("--seconds", type=float, default=1.0, help="PyTorch's time budget of a case")
    arguments.add_argument("--cargo", default="", metavar="FLAGS", help='flags for cargo, such as --cargo="--profile dev"')
    arguments.add_argument("--bench", default="", metavar="FLAGS", help="flags for the benchmark, such as --bench=--quick")
    arguments.add_argument("--json", type=Path, help="also write all numbers here")
    arguments = arguments.parse_args()

    here = measure_here(arguments.cargo.split(), arguments.bench.split())
    torch = measure_pytorch(arguments.python, arguments.seconds)
    theirs = {(case["set"], case["optimizer"]): case["milliseconds"] for case in torch["cases"]}
    parameters = {case["set"]: case["parameters"] for case in torch["cases"]}

    def ours(name, set_name, backend="flex"):
        found = here.get(f"step/{set_name}/{name}/{backend}")
        return None if found is None else 1e3 * found[0]

    for set_name, count in parameters.items():
        counted = next((count for id, (_, count) in here.items() if id.startswith(f"step/{set_name}/")), count)
        assert counted == count, f"{set_name}: {counted} parameters here, {count} in step_pytorch.py"

    steps = []
    for name, burn, pytorch in ROWS:
        for set_name in SETS:
            mine = ours(name, set_name)
            burns = ours(burn, set_name) if burn else None
            pytorchs = theirs.get((set_name, pytorch))
            cells = [milliseconds(mine), milliseconds(burns), ratio(burns, mine), milliseconds(pytorchs)]
            steps.append([name, f"{set_name}, {parameters[set_name] / 1e6:.3g} M", *cells, ratio(pytorchs, mine)])
    for set_name in SETS:
        mine, burns = ours("Nadam", set_name, "ndarray"), ours("burn Adam", set_name, "ndarray")
        cells = [milliseconds(mine), milliseconds(burns), ratio(burns, mine), "", ""]
        steps.append(["Nadam and Burn's Adam on ndarray", f"{set_name}, {parameters[set_name] / 1e6:.3g} M", *cells])

    traffic = []
    for name, side, size in TRAFFIC:
        times = [ours(name, set_name) if side == "ours" else theirs.get((set_name, name)) for set_name in SETS]
        rates = [
            "" if time is None else f"{size * parameters[set_name] / time / 1e6:.1f}"
            for set_name, time in zip(SETS, times, strict=True)
        ]
        label = f"PyTorch {name}" if side == "torch" else name
        traffic.append([label, str(size), *rates])
    seconds, moved = here["memory/copy"]
    copy_here = moved / seconds / 1e9
    traffic.append(["plain copy, Rust", "", "", f"{copy_here:.1f}", ""])
    traffic.append(["plain copy, PyTorch", "", "", f"{torch['copy_gb_s']:.1f}", ""])

    print(f"{os.cpu_count()} threads, PyTorch {torch['torch']}. Ratios are the others' time over ours.\n")
    print(table(["optimizer", "parameters", "ours, ms", "burn-optim, ms", "ratio", "PyTorch, ms", "ratio"], steps))
    print("\nTraffic that a step must move, over its time, in GB/s:\n")
    print(table(["optimizer", "bytes a parameter", *SETS], traffic))
    if arguments.json:
        benches = {id: 1e3 * seconds for id, (seconds, _) in sorted(here.items())}
        result = {"milliseconds": benches, "copy_gb_s": round(copy_here, 2), "pytorch": torch}
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
