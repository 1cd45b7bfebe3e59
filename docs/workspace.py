#!/usr/bin/env python3
"""Draws docs/workspace.svg: the modules of both crates, their lines of code, and which uses which, read from the sources.

Usage: python3 docs/workspace.py
"""

import html
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
CRATES = {"burn-descent-lab (application)": ROOT / "src", "burn-descent (library)": ROOT / "crates/burn-descent/src"}
WIDTH, HEIGHT, GAP, WIDEST = 164, 46, 18, 5


def code_lines(path):
    files = [path] if path.is_file() else sorted(path.rglob("*.rs"))
    lines = [line.strip() for file in files for line in file.read_text().split("\n")]
    return sum(1 for line in lines if line and not line.startswith("//"))


def text(path):
    """What a module is made of, without comments and tests."""
    files = [path] if path.is_file() else [file for file in sorted(path.rglob("*.rs")) if file.name != "tests.rs"]
    sources = [re.split(r"#\[cfg\(all\(test|#\[cfg\(test\)\]", file.read_text())[0] for file in files]
    lines = [line for source in sources for line in source.split("\n")]
    return "\n".join(line for line in lines if not line.strip().startswith("//"))


def modules(source):
    found = {}
    for path in sorted(source.iterdir()):
        if path.name != "lib.rs":
            found[path.stem] = path
    return found


def layers(names, uses):
    """Every module stands above all that it uses; the few circles are cut at the first module met."""
    level = {}

    def depth(name, above):
        if name in level:
            return level[name]
        if name in above:
            return 0
        level[name] = max((depth(used, above | {name}) + 1 for used in uses[name]), default=0)
        return level[name]

    for name in names:
        depth(name, frozenset())
    return [[name for name in names if level[name] == at] for at in range(max(level.values()), -1, -1)]


def main():
    known = {crate: modules(source) for crate, source in CRATES.items()}
    drawn, lines, y, boxes = [], [], 20, {}
    for crate, found in known.items():
        uses = {
            # Everything uses the errors.
            name: {other for other in found if other not in (name, "error") and re.search(rf"\bcrate::(?:\{{[^}}]*\b)?{other}\b", text(path))}
            for name, path in found.items()
        }
        rows = layers(list(found), uses)
        rows = [row[at : at + WIDEST] for row in rows for at in range(0, len(row), WIDEST)]
        total = sum(code_lines(path) for path in found.values())
        drawn.append(f'<text x="20" y="{y + 14}" class="crate">{html.escape(crate)}, {total:,} lines of code</text>')
        y += 30
        for row in rows:
            for place, name in enumerate(row):
                x = 20 + (place + (WIDEST - len(row)) / 2) * (WIDTH + GAP)
                boxes[crate, name] = (x, y)
                gate = {"augment": "feature vision", "train": "feature train"}.get(name, "") if "library" in crate else ""
                below = f"{code_lines(found[name]):,} lines" + (f", {gate}" if gate else "")
                drawn.append(
                    f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
                    f'<text x="{x + 10}" y="{y + 19}">{name}</text><text x="{x + 10}" y="{y + 36}" class="small">{below}</text>'
                )
            y += HEIGHT + 34
        for name, used in uses.items():
            for other in used:
                (x1, y1), (x2, y2) = boxes[crate, name], boxes[crate, other]
                if y2 <= y1:
                    continue
                start, end = (x1 + WIDTH / 2, y1 + HEIGHT), (x2 + WIDTH / 2, y2)
                bend = (end[1] - start[1]) / 2
                lines.append(
                    f'<path d="M{start[0]} {start[1]} C{start[0]} {start[1] + bend} {end[0]} {end[1] - bend} {end[0]} {end[1]}"/>'
                )
        y += 10
    width = 40 + WIDEST * (WIDTH + GAP) - GAP
    style = (
        "svg{background:#fff}text{font:14px sans-serif;fill:#1b2733}.small{font-size:11px;fill:#51616f}"
        ".crate{font-weight:bold}rect{fill:#eaf1f7;stroke:#33566f}path{fill:none;stroke:#33566f;stroke-opacity:.3}"
        "@media(prefers-color-scheme:dark){svg{background:#11181f}text{fill:#e6edf3}.small{fill:#9fb0bf}"
        "rect{fill:#1d2b37;stroke:#7fa6c2}path{stroke:#7fa6c2}}"
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}" height="{y}" role="img" '
        f'aria-label="The modules of both crates, each above those that it uses"><style>{style}</style>'
        + "".join(lines + drawn)
        + "</svg>\n"
    )
    (ROOT / "docs/workspace.svg").write_text(svg)


if __name__ == "__main__":
    main()
