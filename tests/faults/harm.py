"""Ways to damage a file."""

import json
import pathlib
import random
import re
import zlib
from collections.abc import Callable
from typing import Any

import data

Damage = Callable[[bytes, random.Random], bytes]


def flipped(content: bytes, dice: random.Random) -> bytes:
    """Some bits changed."""
    changed = bytearray(content)
    for _ in range(dice.choice([1, 1, 2, 8, 64])):
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def flipped_head(content: bytes, dice: random.Random) -> bytes:
    """Some bits of the first bytes changed, where headers are."""
    head = min(len(content), dice.choice([8, 32, 512]))
    return flipped(content[:head], dice) + content[head:]


def truncated(content: bytes, dice: random.Random) -> bytes:
    """Cut off somewhere."""
    length = len(content)
    return content[: dice.choice([dice.randrange(length), length - 1, min(length, dice.randrange(64))])]


def emptied(_: bytes, __: random.Random) -> bytes:
    """Nothing left."""
    return b""


def extended(content: bytes, dice: random.Random) -> bytes:
    """Something appended."""
    return content + dice.choice([b"\0", b"x", b"\n\n}", dice.randbytes(100), bytes(4096), content])


def zeroed(content: bytes, dice: random.Random) -> bytes:
    """A range set to zero, as after a crash of the system."""
    start = dice.randrange(len(content))
    end = min(len(content), start + dice.choice([1, 16, 512, 4096, len(content)]))
    return content[:start] + bytes(end - start) + content[end:]


def swapped(content: bytes, dice: random.Random) -> bytes:
    """Two blocks exchanged."""
    size = max(1, min(dice.choice([4, 64, 512, 4096]), len(content) // 2))
    one, other = sorted([dice.randrange(len(content) // size) for _ in range(2)])
    blocks = [content[at : at + size] for at in range(0, len(content), size)]
    blocks[one], blocks[other] = blocks[other], blocks[one]
    return b"".join(blocks)


def huge(content: bytes, dice: random.Random) -> bytes:
    """A word of the head replaced by a number that is too large."""
    width = dice.choice([2, 4, 8])
    start = dice.randrange(max(1, min(len(content) - width, dice.choice([24, 64, 1024]))))
    most = b"\xff" * (width - 1)
    word = dice.choice([b"\xff" + most, b"\x7f" + most, most + b"\x7f", bytes(width)])
    return content[:start] + word + content[start + width :]


def replaced(_: bytes, dice: random.Random) -> bytes:
    """Another file altogether."""
    return dice.choice(
        [b"<!DOCTYPE html>\n<html></html>\n", dice.randbytes(300), b"{}", b"[]", b"null\n", b"\xef\xbb\xbf{}"]
    )


BYTES: list[Damage] = [flipped, flipped, flipped_head, truncated, emptied, extended, zeroed, swapped]
BYTES += [huge, huge, replaced]
ODD = [0, -1, 1.5, 1e308, 2**31, 2**32 + 1, 2**53, 2**63, 2**64, 10**30, "", "x", "\0", None, True, [], {}, [[]]]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every item of a JSON value, as what holds it and its key."""
    found: list[tuple[Any, Any]] = []
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []:
        found += [(value, key), *places(value[key])]
    return found


def deleted(content: bytes, dice: random.Random) -> bytes:
    """A key or an item of a JSON file taken out."""
    value = json.loads(content)
    holder, key = dice.choice(places(value))
    del holder[key]
    return json.dumps(value, indent=2).encode()


def mistyped(content: bytes, dice: random.Random) -> bytes:
    """A value of a JSON file replaced by an odd one."""
    value = json.loads(content)
    holder, key = dice.choice(places(value))
    holder[key] = dice.choice(ODD)
    return json.dumps(value, indent=2).encode()


def overflowing(content: bytes, dice: random.Random) -> bytes:
    """A number of a JSON file replaced by one that is too large or too small."""
    value = json.loads(content)
    numbers = [(holder, key) for holder, key in places(value) if type(holder[key]) in (int, float)]
    holder, key = dice.choice(numbers)
    holder[key] = dice.choice([item for item in ODD if type(item) in (int, float)])
    return json.dumps(value, indent=2).encode()


def doubled(content: bytes, dice: random.Random) -> bytes:
    """A line written twice."""
    lines = content.split(b"\n")
    at = dice.randrange(len(lines))
    return b"\n".join(lines[: at + 1] + lines[at:])


def nested(_: bytes, __: random.Random) -> bytes:
    """Brackets nested deeper than any parser should follow."""
    return b"[" * 200_000


JSON: list[Damage] = [flipped, truncated, emptied, extended, zeroed, swapped, doubled, nested, replaced]
JSON += [deleted, deleted, mistyped, mistyped, mistyped, overflowing, overflowing]


def png_checksums(content: bytes, dice: random.Random) -> bytes:
    """A PNG picture whose header or pixels are changed, its checksums made good again."""
    header = bytearray(content[16:29])
    at = dice.randrange(len(header))
    header[at] = dice.choice([0, 1, 0x7F, 0xFF, header[at] ^ (1 << dice.randrange(8))])
    pixels = dice.choice([zlib.compress(bytes(dice.choice([0, 10, 812, 100_000]))), dice.randbytes(50)])
    parts = [data.chunk(b"IHDR", bytes(header)), data.chunk(b"IDAT", pixels), data.chunk(b"IEND", b"")]
    return content[:8] + b"".join(parts)


FIELDS = ["", "x", "NA", "inf", "-inf", "nan", "1e39", "1e400", "-1", "0x10", "1_000", "7,5", "\0", '"', "ripe", "Å"]
FIELDS += ["9" * 400]


def refilled(content: bytes, dice: random.Random) -> bytes:
    """A field of a table replaced by an odd one."""
    lines = content.split(b"\n")
    at = dice.randrange(len(lines))
    fields = re.split(b"([,;])", lines[at])
    fields[2 * dice.randrange((len(fields) + 1) // 2)] = dice.choice(FIELDS).encode()
    lines[at] = b"".join(fields)
    return b"\n".join(lines)


def redelimited(content: bytes, dice: random.Random) -> bytes:
    """A delimiter of a table, or the end of one of its lines, taken out, doubled or replaced."""
    at = dice.choice([at for at, byte in enumerate(content) if byte in b",;\n"])
    mark = content[at : at + 1]
    return content[:at] + dice.choice([b"", mark * 2, b"\t", b"\r", b'"' + mark, mark + b'"']) + content[at + 1 :]


TABLE: list[Damage] = [*BYTES, doubled, *[refilled] * 6, *[redelimited] * 4]
FORMS: dict[str, list[Damage]] = {".json": JSON, ".png": BYTES + [png_checksums] * 3, ".csv": TABLE}


def damages(file: str) -> list[Damage]:
    """The kinds of damage that make sense for a file of this name."""
    return FORMS.get(pathlib.PurePath(file).suffix, BYTES)
