"""Compares a run with its reference, bit by bit but for what holds times or is drawn afresh in every process."""

import hashlib
import json
import pathlib
import re

# Fields that differ between two equal runs.
TIMES = {"seconds", "images_per_second", "name", "versions"}
# Files that have to be equal, wherever they are in the folder of a run.
COMPARED = {"model.bpk", "history.json", "summary.json", "config.json", "difficulty.json", "tune.json", "report.json"}
# Burn draws the identities of a network's parameters in every process; they stand in the head of a burnpack file.
IDENTITY = re.compile(rb"hparam_id\x1b.{8}", re.DOTALL)
LEFT_OVER = re.compile(r"\.tmp.*|.*\.(tmp|part|partial|new|bak|lock)|\.?lock|.*~")


def files(run: pathlib.Path) -> dict[str, pathlib.Path]:
    """Every file of a run, by its path from there."""
    return {str(path.relative_to(run)): path for path in sorted(run.rglob("*")) if not path.is_dir()}


def is_left_over(name: str) -> bool:
    """Whether a file has the name of a temporary one or of a lock."""
    return bool(LEFT_OVER.fullmatch(pathlib.PurePath(name).name))


def without_times(value: object) -> object:
    """A JSON value without the fields that hold times."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMES}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def content(path: pathlib.Path) -> object:
    """What has to be equal of a file. Numbers of JSON files stay as they are written."""
    data = path.read_bytes()
    if path.suffix == ".json":
        try:
            return without_times(json.loads(data, parse_float=str, parse_int=str))
        except ValueError as error:
            return f"no JSON: {error}"
    return IDENTITY.sub(b"hparam_id", data) if path.suffix == ".bpk" else data


def explained(one: object, other: object, place: str = "") -> str:
    """The first difference of two contents, the reference's first."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in [*one, *(key for key in other if key not in one)]:
            if key not in one or key not in other:
                return f"{place}.{key} is only in {'the reference' if key in one else 'this run'}"
            if one[key] != other[key]:
                return explained(one[key], other[key], f"{place}.{key}")
    if isinstance(one, list) and isinstance(other, list):
        for index, (item, its) in enumerate(zip(one, other)):
            if item != its:
                return explained(item, its, f"{place}[{index}]")
        return f"{place} has {len(other)} items in place of {len(one)}"
    if isinstance(one, bytes) and isinstance(other, bytes):
        changed = (index for index, (byte, its) in enumerate(zip(one, other)) if byte != its)
        at = next(changed, min(len(one), len(other)))
        return f"byte {at} of {len(other)} ({len(one)} in the reference)"
    return f"{place} is {other} in place of {one}"


def unsound(run: pathlib.Path) -> list[str]:
    """The files of a run that are left over, cut off or not what their checksums say."""
    found = []
    for name, path in files(run).items():
        if is_left_over(name):
            found.append(f"`{name}` is left over")
        elif path.suffix == ".json":
            try:
                json.loads(path.read_bytes())
            except ValueError as error:
                found.append(f"`{name}` is cut off: {error}")
        elif path.suffix == ".sha256":
            data = path.with_suffix("")
            if not data.exists() or hashlib.sha256(data.read_bytes()).hexdigest() != path.read_text().split()[0]:
                found.append(f"`{name}` is not the checksum of its file")
    return found


def reproducible(one: pathlib.Path, other: pathlib.Path) -> set[str]:
    """The files that two unbroken runs have in common, so that a broken one has to have them as well."""
    its = files(other)
    return {name for name, path in files(one).items() if name in its and content(path) == content(its[name])}


# What Burn logs of a run, and what the runs of a search print.
LOG = re.compile(r"experiment\.log|trial-\d+\.log")


def differences(reference: pathlib.Path, run: pathlib.Path, also: set[str]) -> list[str]:
    """What differs between a run and its reference: files, and contents of those in `COMPARED` and `also`."""
    if not run.is_dir():
        return ["the run has no folder"]
    expected, found = files(reference), files(run)
    missing = [f"`{name}` is missing" for name in expected if name not in found]
    surplus = [f"`{name}` is not in the reference" for name in found if name not in expected and not is_left_over(name)]
    changed = []
    for name in expected.keys() & found.keys():
        # Logs tell of what went wrong, as they should.
        if not LOG.fullmatch(found[name].name) and (name in also or found[name].name in COMPARED):
            one, other = content(expected[name]), content(found[name])
            if one != other:
                changed.append(f"`{name}` differs: {explained(one, other)}")
    known = set(unsound(reference))
    return missing + surplus + sorted(changed) + [line for line in unsound(run) if line not in known]
