#!/usr/bin/env python3
"""PyTorch on MNIST: the network and settings of pytorch/examples/mnist, timed against test accuracy.

    python benches/mnist_pytorch.py DATA_DIR [--epochs N] [--every ITERATIONS] [--json FILE]

DATA_DIR holds the four gzipped IDX files. The data set is one tensor in memory and a batch is one gather, so no data
loader slows PyTorch down. Seconds count training only: evaluation stops the clock.
"""

import argparse
import gzip
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

BATCH = 64
LEARNING_RATE = 1.0
DECAY = 0.7  # of the learning rate, each epoch
MEAN, DEVIATION = 0.1307, 0.3081
TARGETS = {"98": 0.98, "99": 0.99}


def idx(path):
    """An array of an IDX file of bytes: two zeros, the type, the number of dimensions, the sizes, the data."""
    data = gzip.decompress(path.read_bytes())
    kind, dimensions = data[2], data[3]
    if data[:2] != b"\0\0" or kind != 8:
        raise ValueError(f"{path} is no IDX file of bytes")
    shape = np.frombuffer(data, ">u4", dimensions, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape.tolist())


def load(folder, part):
    images = torch.from_numpy(idx(folder / f"{part}-images-idx3-ubyte.gz").astype(np.float32))
    labels = torch.from_numpy(idx(folder / f"{part}-labels-idx1-ubyte.gz").astype(np.int64))
    return ((images / 255 - MEAN) / DEVIATION).unsqueeze(1), labels


def network():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
        nn.LogSoftmax(dim=1),
    )


@torch.inference_mode()
def accuracy(model, images, labels):
    model.eval()
    right = sum(
        (model(x).argmax(1) == y).sum().item() for x, y in zip(images.split(1000), labels.split(1000), strict=True)
    )
    model.train()
    return right / len(labels)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("data", type=Path, metavar="DATA_DIR")
    arguments.add_argument("--epochs", type=int, default=14)
    arguments.add_argument("--every", type=int, default=0, metavar="ITERATIONS", help="evaluate this often as well")
    arguments.add_argument("--stop-after", type=int, metavar="ITERATIONS", help="end early, to try the script")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--json", type=Path, help="also write the result here")
    arguments = arguments.parse_args()

    torch.set_num_threads(os.cpu_count())
    torch.manual_seed(arguments.seed)
    images, labels = load(arguments.data, "train")
    test_images, test_labels = load(arguments.data, "t10k")
    model = network().train()
    optimizer = torch.optim.Adadelta(model.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=DECAY)

    curve = []
    seconds, seen, iteration = 0.0, 0, 0
    reached = dict.fromkeys(TARGETS)

    def evaluate(epoch):
        score = accuracy(model, test_images, test_labels)
        curve.append({"epoch": epoch, "iteration": iteration, "seconds": round(seconds, 3), "accuracy": score})
        for name, target in TARGETS.items():
            if reached[name] is None and score >= target:
                reached[name] = round(seconds, 3)
        print(
            f"epoch {epoch:2}  iteration {iteration:6}  {seconds:8.2f} s  {seen / seconds:6.0f} images/s  "
            f"accuracy {100 * score:.2f} %",
            flush=True,
        )

    for epoch in range(1, arguments.epochs + 1):
        start = time.perf_counter()
        batches = torch.randperm(len(images)).split(BATCH)
        for number, batch in enumerate(batches, 1):
            optimizer.zero_grad()
            loss = functional.nll_loss(model(images[batch]), labels[batch])
            loss.backward()
            optimizer.step()
            iteration += 1
            seen += len(batch)
            stop = iteration == arguments.stop_after
            due = arguments.every and iteration % arguments.every == 0
            if due or stop or number == len(batches):
                seconds += time.perf_counter() - start
                evaluate(epoch)
                start = time.perf_counter()
            if stop:
                break
        if stop:
            break
        schedule.step()

    result = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "batch": BATCH,
        "seed": arguments.seed,
        "images_per_second": round(seen / seconds, 1),
        "seconds_to_98": reached["98"],
        "seconds_to_99": reached["99"],
        "curve": curve,
    }
    text = json.dumps(result, indent=1)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
