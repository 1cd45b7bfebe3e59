"""The files that are damaged, and the commands that read them."""

import dataclasses
import pathlib
import shutil
import signal
import time
from collections.abc import Callable, Iterator

import compare
import data
import forms
from program import Outcome, ended, epochs, state
from runs import NAME, Bench, Kind, Place, must

# A run that takes some seconds, to be killed on the way.
SLOW = Kind(
    "slow",
    "--model mlp --widths 64 --batch-size 2 --epochs 8 --ema 0.9 --curriculum linear=0.5,2epochs",
    8,
)
ENSEMBLE = Kind("pair", "--model mlp --widths 16 --batch-size 8 --epochs 2 --ensemble 2", 4)
SHORT = ["--model", "mlp", "--widths", "8", "--epochs", "1", "--validation-images", "100", "--plain"]

Command = Callable[[pathlib.Path], list[str]]
# What came of a command in a folder, for comparison with that on good files.
Result = Callable[[pathlib.Path, Outcome], object]


@dataclasses.dataclass(frozen=True)
class Target:
    """A file to damage, below a folder that is copied for each trial, and the command that reads it."""

    what: str
    folder: pathlib.Path
    file: str
    command: Command
    result: Result
    # Whether a damaged content is still a good file, of other content.
    is_valid: forms.Check = forms.never
    # What an error may name in place of the file, where it is a good one that does not fit the others.
    misfit: str | None = None
    # Where the good folder's checksum of the file may be renewed, so that the damage gets past it.
    forged: bool = False
    # Whether the folder is as good without the file.
    is_spare: bool = False
    # Whether the program goes on without the file where it is damaged, and says so.
    is_left_out: bool = False


def printed(_: pathlib.Path, outcome: Outcome) -> object:
    """What the command prints."""
    return outcome.out


def trained(folder: pathlib.Path, _: Outcome) -> object:
    """What the run came to, wherever its data are."""
    run = folder / "runs" / NAME
    found = {name: compare.content(run / name) for name in ("history.json", "summary.json", "model.bpk")}
    summary = found["summary.json"]
    if isinstance(summary, dict):
        summary.pop("origin", None)
    return found


def unfinished(bench: Bench) -> pathlib.Path:
    """A folder with a run that was killed when it had three epochs behind it, and nothing half written."""
    for attempt in range(20):
        place = Place(bench, bench.program.work / f"damage-unfinished-{attempt}" / "runs")
        process = bench.program.start([*place.start(SLOW), "--plain"])
        while process.poll() is None and epochs(place.run) < 3:
            time.sleep(0.001)
        written = state(place.run / "checkpoint")
        while process.poll() is None:
            time.sleep(0.02)
            written, before = state(place.run / "checkpoint"), written
            if written == before:
                break
        process.send_signal(signal.SIGKILL)
        ended(process)
        left = [path for path in place.run.rglob("*") if compare.LEFT_OVER.fullmatch(path.name)]
        if epochs(place.run) == 3 and not left:
            return place.runs.parent
    raise SystemExit("no run could be killed on its way")


def targets(bench: Bench) -> list[Target]:
    """All files to damage."""
    makers = (idx, cifar, tables, folders_of_pictures, configuration, resumed, evaluated, predicted)
    return [target for make in makers for target in make(bench)]


def training(*flags: str, path: str = "images") -> Command:
    """The command that trains on the data at this path in a folder."""

    def command(folder: pathlib.Path) -> list[str]:
        return [*SHORT, "--name", NAME, *flags, "--data", str(folder / path), "--artifacts", str(folder / "runs")]

    return command


def idx(bench: Bench) -> Iterator[Target]:
    """Images and labels of MNIST's form, gzipped or not."""
    for packed in (False, True):
        folder = bench.program.work / f"damage-idx-{packed}"
        data.write_idx(folder / "images", bench.seed, packed)
        for path in sorted((folder / "images").iterdir()):
            good = forms.is_idx(path.read_bytes())
            yield Target("IDX to train on", folder, f"images/{path.name}", training(), trained, good)


def cifar(bench: Bench) -> Iterator[Target]:
    """Images and names of CIFAR's forms, without checksums."""
    for name, files, label_bytes, classes in [
        ("cifar10", data.cifar10(bench.seed), 1, 10),
        ("cifar100", data.cifar100(bench.seed), 2, 100),
    ]:
        folder = bench.program.work / f"damage-{name}"
        data.write(folder / "images", files)
        command = training("--dataset", name)
        for file in files:
            good = forms.are_words(classes) if file.endswith(".txt") else forms.is_cifar(label_bytes, classes)
            yield Target(f"{name} to train on", folder, f"images/{file}", command, trained, good)


# The columns of `data.fruit`.
SIZES, COLORS, STATE, STATES = {"size", "weight"}, {"color"}, "state", {"ripe", "raw"}


def fruit(folder: pathlib.Path) -> list[str]:
    """The flags of a training on `data.fruit` in a folder."""
    return ["--dataset", "table", "--label", STATE, "--test-data", str(folder / "images" / "test.csv")]


def tables(bench: Bench) -> Iterator[Target]:
    """Tables of classes and of numbers, and one to predict from."""
    folder = bench.program.work / "damage-fruit"
    data.write(folder / "images", data.fruit(bench.seed))

    def command(folder: pathlib.Path) -> list[str]:
        return training(*fruit(folder), path="images/train.csv")(folder)

    what, misfit = "a table to train on", "/images/"
    good = forms.is_training_table(STATE, is_class=True)
    yield Target(what, folder, "images/train.csv", command, trained, good, misfit)
    good = forms.is_further_table(SIZES, COLORS, STATE, STATES)
    yield Target("a table to test on", folder, "images/test.csv", command, trained, good, misfit)

    folder = bench.program.work / "damage-houses"
    data.write(folder / "images", data.houses(bench.seed))
    flags = ["--dataset", "table", "--label", "price", "--loss", "mse"]
    good = forms.is_training_table("price", is_class=False)
    command = training(*flags, path="images/houses.csv")
    yield Target(what, folder, "images/houses.csv", command, trained, good, misfit)

    folder = bench.program.work / "damage-rows"
    data.write(folder / "images", data.fruit(bench.seed))
    must(bench.program.run(training(*fruit(folder), path="images/train.csv")(folder)))

    def predicting(folder: pathlib.Path) -> list[str]:
        return predict(folder, folder / "images" / "test.csv")

    good = forms.is_further_table(SIZES, COLORS)
    yield Target("a table to predict from", folder, "images/test.csv", predicting, printed, good)
    yield Target("what is known of a table", folder, f"runs/{NAME}/data.json", predicting, printed, forms.is_json)


def predict(folder: pathlib.Path, path: pathlib.Path) -> list[str]:
    """The command that asks the run in a folder."""
    return ["predict", NAME, str(path), "--artifacts", str(folder / "runs")]


def folders_of_pictures(bench: Bench) -> Iterator[Target]:
    """Folders of pictures: of few, of which none may be bad, and of so many that one may."""
    for many, count, flags in [(False, 8, []), (True, 48, ["--size", "16x16", "--channels", "1"])]:
        folder = bench.program.work / f"damage-pictures-{count}"
        data.write(folder / "images", data.pictures(bench.seed, count))
        command = training("--dataset", "images", *flags)
        for file in ("train/dark/0.png", "train/light/1.jpg", "test/light/2.png", "validation/dark/3.jpg"):
            good, misfit = picture(file), "/images: pictures of different sizes"
            what = "one of many pictures" if many else "one of few pictures"
            target = Target(what, folder, f"images/{file}", command, trained, good, misfit)
            yield dataclasses.replace(target, is_spare=True, is_left_out=many)


def picture(file: str) -> forms.Check:
    """What is a good picture of a file's name."""
    return forms.is_png if file.endswith(".png") else forms.is_jpeg


def configuration(bench: Bench) -> Iterator[Target]:
    """A configuration to start from."""
    folder = bench.program.work / "damage-configuration"
    place = Place(bench, folder / "runs")
    must(bench.program.run([*SHORT, *place.command("--name", NAME)]))
    shutil.copy(place.run / "config.json", folder / "start.json")
    shutil.rmtree(place.runs)

    def command(folder: pathlib.Path) -> list[str]:
        start = ["--config", str(folder / "start.json"), "--name", NAME, "--plain"]
        return Place(bench, folder / "runs").command(*start)

    yield Target("a configuration to start from", folder, "start.json", command, trained, forms.is_json)


def resumed(bench: Bench) -> Iterator[Target]:
    """A run to resume."""
    folder = unfinished(bench)
    run = folder / "runs" / NAME

    def command(folder: pathlib.Path) -> list[str]:
        return [*Place(bench, folder / "runs").resume(SLOW), "--plain"]

    files = [*run.rglob("checkpoint/*"), *run.glob("*.json")]
    yield from kept("a run to resume", folder, files, command, trained)


def evaluated(bench: Bench) -> Iterator[Target]:
    """A run to evaluate."""
    folder = bench.program.work / "damage-trained"
    place = Place(bench, folder / "runs")
    must(bench.program.run([*place.start(ENSEMBLE), "--plain"]))

    def command(folder: pathlib.Path) -> list[str]:
        return Place(bench, folder / "runs").command("eval", NAME)

    files = [*place.run.rglob("model.bpk*"), place.run / "summary.json", place.run / "config.json"]
    yield from kept("a run to evaluate", folder, files, command, printed)


def kept(
    what: str, folder: pathlib.Path, files: list[pathlib.Path], command: Command, result: Result
) -> Iterator[Target]:
    """The files of a run, and those of them that have a checksum with that renewed, too."""
    for path in sorted(path for path in files if path.is_file()):
        good = forms.is_json if path.suffix == ".json" else forms.never
        target = Target(what, folder, str(path.relative_to(folder)), command, result, good)
        yield target
        if path.with_name(f"{path.name}.sha256").exists():
            yield dataclasses.replace(target, is_valid=forms.always, forged=True)


def predicted(bench: Bench) -> Iterator[Target]:
    """Pictures to predict from, and what a run knows of its data."""
    folder = bench.program.work / "damage-asked"
    must(bench.program.run([*SHORT, *Place(bench, folder / "runs").command("--name", NAME)]))
    pictures = {"digit.png": data.digit(bench.seed), "digit.jpg": data.jpeg(data.SEVEN)}
    data.write(folder, pictures)

    def asking(file: str) -> Command:
        return lambda folder: predict(folder, folder / file)

    for file in pictures:
        yield Target("a picture to predict from", folder, file, asking(file), printed, picture(file))
    described = f"runs/{NAME}/data.json"
    yield Target("what is known of images", folder, described, asking("digit.png"), printed, forms.is_json)
