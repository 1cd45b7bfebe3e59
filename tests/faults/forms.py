"""What is still a good file after damage."""

import csv
import io
import json
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Set

Check = Callable[[bytes], bool]


def is_json(content: bytes) -> bool:
    """Whether a content is JSON: then it may well be that of another run."""
    try:
        json.loads(content.decode())
        return True
    except (ValueError, RecursionError):
        return False


def is_idx(good: bytes) -> Check:
    """Whether a content is an IDX file of the same sizes as the good one, which may be gzipped."""
    head = 4 + 4 * unpacked(good)[3]

    def check(content: bytes) -> bool:
        try:
            plain, expected = unpacked(content), unpacked(good)
        except (OSError, EOFError, zlib.error):
            return False
        labels = plain[head:] if head == 8 else b""
        return plain[:head] == expected[:head] and len(plain) == len(expected) and all(label < 10 for label in labels)

    return check


def unpacked(content: bytes) -> bytes:
    """The content of a gzipped file, up to what follows its first member; or the content itself."""
    if content[:2] != b"\x1f\x8b":
        return content
    reader = zlib.decompressobj(31)
    plain = reader.decompress(content)
    if not reader.eof:
        raise EOFError
    return plain


def is_png(content: bytes) -> bool:
    """Whether all checksums of a PNG picture's parts are right."""
    at = 8
    while at + 12 <= len(content):
        length = struct.unpack(">I", content[at : at + 4])[0]
        part, check = content[at + 4 : at + 8 + length], content[at + 8 + length : at + 12 + length]
        if check != struct.pack(">I", zlib.crc32(part)):
            return False
        if part[:4] == b"IEND":
            return content[:8] == b"\x89PNG\r\n\x1a\n"
        at += 12 + length
    return False


def always(_: bytes) -> bool:
    """Whether a file without checksums is good: any content may be that of another."""
    return True


def never(_: bytes) -> bool:
    """Whether a file with a checksum may have another content: never."""
    return False


def is_jpeg(content: bytes) -> bool:
    """Whether a content begins as a JPEG picture and has pixels, of which any may be those of another."""
    return content[:3] == b"\xff\xd8\xff" and b"\xff\xda" in content


def is_cifar(label_bytes: int, classes: int) -> Check:
    """Whether a content is whole records of CIFAR, each of a known class."""
    size = label_bytes + 3072

    def check(content: bytes) -> bool:
        labels = content[label_bytes - 1 :: size]
        return len(content) > 0 and len(content) % size == 0 and all(label < classes for label in labels)

    return check


# What Unicode counts as space.
SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"


def are_words(count: int) -> Check:
    """Whether a content is so many words."""
    return lambda content: len(re.findall(f"[^{SPACE}]+", content.decode(errors="replace"))) == count


MISSING = {"", "na", "?", "nan"}
NUMBER = re.compile(r"[+-]?(inf|infinity|nan|(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)", re.IGNORECASE | re.ASCII)
MOST = 3.4028234663852886e38


def records(text: str) -> Iterator[list[str]]:
    """The lines of a table that are not empty, in fields without space around them."""
    first = re.match(r'(?:"[^"]*"|[^"\r\n])*', text.lstrip(), re.DOTALL)
    head = re.sub(r'"[^"]*"', "", first[0] if first else "")
    delimiter = max(",;\t", key=head.count)
    for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
        if record:
            yield [re.sub(f"^[{SPACE}]+|[{SPACE}]+$", "", field) for field in record]


def table(content: bytes) -> dict[str, list[str]]:
    """The columns of a table, by name.

    Raises `ValueError` where it is none."""
    try:
        header, *rows = records(content.decode())
    except csv.Error as error:
        raise ValueError from error
    if len(set(header)) < len(header) or not rows or any(len(row) != len(header) for row in rows):
        raise ValueError
    return dict(zip(header, map(list, zip(*rows))))


def is_number(field: str) -> bool:
    """Whether a field is a number that can be trained on."""
    return bool(NUMBER.fullmatch(field)) and abs(float(field)) <= MOST


def are_numbers(fields: list[str]) -> bool:
    """Whether all of a column are numbers, or missing."""
    return all(field.lower() in MISSING or is_number(field) for field in fields)


def is_training_table(label: str, is_class: bool) -> Check:
    """Whether a content is a table with labels in this column, classes or numbers. Elsewhere what is no number makes a
    column one of categories, but what is too large a number does not."""

    def is_column(fields: list[str]) -> bool:
        are_all = all(field.lower() in MISSING or NUMBER.fullmatch(field) for field in fields)
        return not are_all or are_numbers(fields)

    def check(content: bytes) -> bool:
        try:
            columns = table(content)
        except ValueError:
            return False
        labels = columns.pop(label, [""])
        are_labels = all(field.lower() not in MISSING and (is_class or is_number(field)) for field in labels)
        return are_labels and all(map(is_column, columns.values()))

    return check


def is_further_table(
    numbers: Set[str], categories: Set[str], label: str = "", classes: Set[str] = frozenset()
) -> Check:
    """Whether a content is a table of what was trained on: it has these columns of numbers and of categories, and a
    column of labels of these classes, if any."""

    def check(content: bytes) -> bool:
        try:
            columns = table(content)
        except ValueError:
            return False
        if not numbers | categories | ({label} if label else set()) <= columns.keys():
            return False
        are_labels = not label or set(columns[label]) <= classes
        return are_labels and all(are_numbers(columns[name]) for name in numbers)

    return check
