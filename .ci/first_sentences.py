#!/usr/bin/env python3
"""Checks that the documentation of every public item begins with a verb in the third person ("Returns", "Holds").

Usage: first_sentences.py [FILE OR FOLDER ...]; by default the sources of both crates. Exit status 1 if one does not.
"""

import pathlib
import re
import sys

NO_VERBS = {"this", "its", "thus", "perhaps", "always", "classes", "images", "weights", "gradients", "networks", "sums"}
ITEM = re.compile(r"pub (?:const fn|fn|struct|enum|trait|type|const|static|mod|use|[a-z_0-9]+:)")


def is_verb(line: str) -> bool:
    word = re.match(r"[A-Za-z]+", line)
    return bool(word) and word.group().endswith("s") and word.group().lower() not in NO_VERBS


def faults(path: pathlib.Path):
    lines = path.read_text().split("\n")
    if path.name in ("mod.rs", "lib.rs") and lines[0].startswith("//! ") and path.name != "lib.rs":
        if not is_verb(lines[0][4:]):
            yield 1, lines[0]
    first = None
    inside = None  # A public enumeration or trait, by the indentation of its items.
    for number, line in enumerate(lines, 1):
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        if inside and line.startswith(inside[1] + "}"):
            inside = None
        if text.startswith("///"):
            if first is None:
                first = (number, text[3:].strip())
            continue
        if text.startswith("#[") or text.startswith("#!["):
            continue
        if first is not None:
            public = bool(ITEM.match(text))
            if inside and indent == len(inside[1]) + 4:
                public |= inside[0] == "enum" and bool(re.match(r"[A-Z]\w*", text))
                public |= inside[0] == "trait" and bool(re.match(r"(fn|const|type) ", text))
            if inside and inside[0] == "enum" and indent == len(inside[1]) + 8:
                public |= bool(re.match(r"[a-z_0-9]+:", text))
            if public and not is_verb(first[1]):
                yield first
        opened = re.match(r"( *)pub (enum|trait) \w+.*\{$", line)
        if opened:
            inside = (opened.group(2), opened.group(1))
        first = None


def main() -> int:
    root = pathlib.Path(__file__).resolve().parent.parent
    places = [pathlib.Path(argument) for argument in sys.argv[1:]] or [root / "src", root / "crates/burn-descent/src"]
    found = 0
    for place in places:
        for path in [place] if place.is_file() else sorted(place.rglob("*.rs")):
            for number, text in faults(path):
                print(f"{path}:{number}: {text}")
                found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
