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

# Ours; bytes that a step must move for each f32 parameter (θ and the state both ways, the gradient once); burn-optim's
# counterpart; PyTorch's.
ROWS = [
    ("Sgd", 12, "burn Sgd", "SGD"),
    ("Momentum", 20, "burn Momentum", "SGD momentum"),
    ("Nesterov", 20, "burn Nesterov", "SGD nesterov"),
    ("NormalizedGradient", 12, None, None),
    ("Adagrad", 20, "burn Adagrad", "Adagrad"),
    ("Adadelta", 28, None, "Adadelta"),
    ("RmsProp", 28, "burn RmsProp", "RMSprop"),
    ("Adam", 28, "burn Adam", "Adam"),
    ("Adamax", 28, None, "Adamax"),
    ("Nadam", 28, None, "NAdam"),
    ("Amsgrad", 36, "burn Amsgrad", "Adam amsgrad"),
    ("Radam", 28, None, "RAdam"),
    ("Yogi", 28, None, None),
    ("Adabelief", 28, None, None),
    ("Adan", 44, "burn Adan", None),
    ("Lion", 20, "burn Lion", None),
    ("Rprop", 28, None, "Rprop"),
    ("Asgd", 20, None, "ASGD"),
    ("ScheduleFreeSgd", 20, None, None),
    ("ScheduleFreeAdamw", 28, None, None),
    ("Momentum, noise", 20, None, "SGD momentum, noise"),
]

HEADING = [
    "optimizer", "ms", "ns/parameter", "GB/s", "of a copy", "burn-optim", "ratio", "PyTorch", "ratio", "fused", "ratio",
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
    return "" if other is None or ours is None else f"{other / ours:.1f}"


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

    copies = [moved / seconds / 1e9 for id, (seconds, moved) in here.items() if id.startswith("memory/copy/")]
    copy_here = max(copies)
    print(f"{os.cpu_count()} threads, PyTorch {torch['torch']}. A plain copy moves {copy_here:.1f} GB/s here at")
    print(f"best ({', '.join(f'{rate:.1f}' for rate in copies)}) and {torch['copy_gb_s']:.1f} GB/s in PyTorch. Ratios are the others' time over ours.")
    for set_name in SETS:
        rows = []
        for name, size, burn, pytorch in ROWS:
            mine, count = ours(name, set_name), parameters[set_name]
            if mine is None:
                continue
            rate = size * count / mine / 1e6
            cells = [milliseconds(mine), f"{1e6 * mine / count:.2f}", f"{rate:.0f}", f"{100 * rate / copy_here:.0f} %"]
            others = [ours(burn, set_name), theirs.get((set_name, pytorch)), theirs.get((set_name, f"{pytorch} fused"))]
            rows.append([name, *cells, *(cell for other in others for cell in (milliseconds(other), ratio(other, mine)))])
        print(f"\n{set_name}: {parameters[set_name] / 1e6:.3g} M parameters\n")
        print(table(HEADING, rows))
    print("\nOn ndarray, ms:\n")
    on_ndarray = [(set_name, ours("Nadam", set_name, "ndarray"), ours("burn Adam", set_name, "ndarray")) for set_name in SETS]
    rows = [[name, milliseconds(mine), milliseconds(burns), ratio(burns, mine)] for name, mine, burns in on_ndarray]
    print(table(["set", "Nadam", "burn-optim's Adam", "ratio"], rows))
    if arguments.json:
        benches = {id: 1e3 * seconds for id, (seconds, _) in sorted(here.items())}
        result = {"milliseconds": benches, "copy_gb_s": round(copy_here, 2), "pytorch": torch}
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
