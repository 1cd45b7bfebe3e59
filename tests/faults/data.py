"""Makes the images that runs train on, and pictures for `predict`: small, drawn here, the same for the same seed."""

import gzip
import pathlib
import random
import struct
import zlib

SIDE = 28
CLASSES = 10
TRAIN_IMAGES = 500
TEST_IMAGES = 200
# The names that MNIST has, without `.gz`.
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")

# A picture of a seven, a square for each block of 8 x 8 pixels.
SEVEN = ["       ", "       ", "  ###  ", "    #  ", "   #   ", "   #   ", "   #   ", "       ", "       "]


def strokes(dice: random.Random) -> list[bytes]:
    """A prototype for each class: some thick lines between random points."""
    prototypes = []
    for _ in range(CLASSES):
        pixels = bytearray(SIDE * SIDE)
        for _ in range(3):
            (x0, y0), (x1, y1) = [(dice.uniform(5, 22), dice.uniform(5, 22)) for _ in range(2)]
            for step in range(41):
                x, y = x0 + (x1 - x0) * step / 40, y0 + (y1 - y0) * step / 40
                for column, row in [(int(x), int(y)), (int(x) + 1, int(y)), (int(x), int(y) + 1)]:
                    pixels[row * SIDE + column] = 220
        prototypes.append(bytes(pixels))
    return prototypes


def blurred(prototype: bytes, dice: random.Random) -> bytes:
    """The prototype moved by some pixels, with some of its pixels changed."""
    offset = dice.randint(-2, 2) * SIDE + dice.randint(-2, 2)
    pixels = bytearray(prototype[offset:] + prototype[:offset])
    for _ in range(60):
        pixels[dice.randrange(len(pixels))] = dice.randrange(256)
    return bytes(pixels)


def labelled(count: int, prototypes: list[bytes], dice: random.Random) -> tuple[list[bytes], bytes]:
    """So many images of all classes in turn, and their labels."""
    labels = bytes(number % CLASSES for number in range(count))
    return [blurred(prototypes[label], dice) for label in labels], labels


def idx(sizes: list[int], items: bytes) -> bytes:
    """An IDX file of bytes."""
    return struct.pack(f">{1 + len(sizes)}I", 0x0800 + len(sizes), *sizes) + items


def idx_files(seed: int) -> dict[str, bytes]:
    """The four files of a data set, by name."""
    dice = random.Random(f"{seed}/images")
    prototypes = strokes(dice)
    files = []
    for count in (TRAIN_IMAGES, TEST_IMAGES):
        images, labels = labelled(count, prototypes, dice)
        files += [idx([count, SIDE, SIDE], b"".join(images)), idx([count], labels)]
    return dict(zip(FILES, files))


def write_idx(folder: pathlib.Path, seed: int, packed: bool = False) -> pathlib.Path:
    """Writes the four files to a new folder, gzipped or not."""
    folder.mkdir(parents=True)
    for name, content in idx_files(seed).items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
        else:
            (folder / name).write_bytes(content)
    return folder


def chunk(kind: bytes, content: bytes) -> bytes:
    """A part of a PNG picture, with its checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(pixels: bytes, side: int) -> bytes:
    """A square gray PNG picture."""
    rows = b"".join(b"\0" + pixels[row * side : (row + 1) * side] for row in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def digit(seed: int) -> bytes:
    """A PNG picture of one image."""
    dice = random.Random(f"{seed}/picture")
    return png(blurred(strokes(dice)[3], dice), SIDE)


def segment(marker: int, content: bytes) -> bytes:
    """A part of a JPEG picture."""
    return struct.pack(">BBH", 0xFF, marker, 2 + len(content)) + content


def jpeg(blocks: list[str]) -> bytes:
    """A gray baseline JPEG picture of flat blocks, black where there is a `#`: their means are enough for it."""
    # Each symbol of both tables has a code of 4 bits, its number in the table.
    means, details = bytes(range(12)), bytes([0x00, 0x01, 0x02, 0x11, 0x12, 0x21, 0x31, 0xF0])
    bits, before = "", 0
    for black in "".join(blocks):
        mean = -60 if black == "#" else 60
        difference, before = mean - before, mean
        size = abs(difference).bit_length()
        value = difference if difference > 0 else difference + (1 << size) - 1
        bits += f"{means.index(size):04b}" + (f"{value:0{size}b}" if size else "") + f"{details.index(0):04b}"
    bits += "1" * (-len(bits) % 8)
    scan = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)).replace(b"\xff", b"\xff\0")
    tables = [
        bytes([which, 0, 0, 0, len(symbols)]) + bytes(12) + symbols for which, symbols in [(0, means), (16, details)]
    ]
    return b"".join(
        [
            b"\xff\xd8",
            segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"),
            segment(0xDB, b"\0" + bytes([16] * 64)),
            segment(0xC0, struct.pack(">BHHBBBB", 8, 8 * len(blocks), 8 * len(blocks[0]), 1, 1, 0x11, 0)),
            *(segment(0xC4, table) for table in tables),
            segment(0xDA, bytes([1, 1, 0, 0, 63, 0])),
            scan,
            b"\xff\xd9",
        ]
    )


def cifar10(seed: int) -> dict[str, bytes]:
    """The files of a small CIFAR-10, by name: records of a label and 32 x 32 pixels of red, green and blue."""
    dice = random.Random(f"{seed}/cifar10")
    files = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    batches = {file: b"".join(bytes([number % 10]) + dice.randbytes(3072) for number in range(60)) for file in files}
    return batches | {"batches.meta.txt": "".join(f"class-{number}\n" for number in range(10)).encode()}


def cifar100(seed: int) -> dict[str, bytes]:
    """The files of a small CIFAR-100, by name: its records have a coarse label before the fine one."""
    dice = random.Random(f"{seed}/cifar100")
    files = {
        file: b"".join(bytes([number % 20, number % 100]) + dice.randbytes(3072) for number in range(count))
        for file, count in [("train.bin", 300), ("test.bin", 100)]
    }
    return files | {"fine_label_names.txt": "".join(f"class-{number}\n" for number in range(100)).encode()}


def fruit(seed: int) -> dict[str, bytes]:
    """Two tables between commas: numbers, some of them missing, a quoted category, and a class for each row."""
    dice = random.Random(f"{seed}/fruit")

    def row() -> str:
        size, is_ripe = dice.uniform(1, 9), dice.random() < 0.5
        color = '"red, dark"' if is_ripe else dice.choice(["green", "pale"])
        weight = "NA" if dice.random() < 0.1 else f"{10 * size + dice.random():.2f}"
        return f"{size:.3f},{weight},{color},{'ripe' if is_ripe else 'raw'}"

    def rows(count: int) -> bytes:
        return "\n".join(["size,weight,color,state", *(row() for _ in range(count)), ""]).encode()

    return {"train.csv": rows(200), "test.csv": rows(60)}


def houses(seed: int) -> dict[str, bytes]:
    """A table between semicolons, with a number for each row."""
    dice = random.Random(f"{seed}/houses")

    def row() -> str:
        area, rooms, town = dice.uniform(30, 200), dice.randrange(1, 7), dice.choice(["Ulm", "Köln", "Jena"])
        return f"{area:.1f};{rooms};{town};{2000 * area + 10_000 * rooms + dice.gauss(0, 5000):.0f}"

    return {"houses.csv": "\r\n".join(["area;rooms;town;price", *(row() for _ in range(200)), ""]).encode()}


def pictures(seed: int, train: int) -> dict[str, bytes]:
    """Gray pictures of two classes below folders for training, validation and testing, PNG and JPEG in turn."""
    dice = random.Random(f"{seed}/pictures/{train}")
    found = {}
    for part, count in [("train", train), ("validation", 4), ("test", 4)]:
        for name, shades in [("dark", (0, 120)), ("light", (130, 255))]:
            for number in range(count):
                if number % 2 == 0:
                    pixels = bytes(dice.randint(*shades) for _ in range(16 * 16))
                    found[f"{part}/{name}/{number}.png"] = png(pixels, 16)
                else:
                    blocks = "".join(dice.choice("# " if name == "dark" else "    #") for _ in range(4))
                    found[f"{part}/{name}/{number}.jpg"] = jpeg([blocks[:2], blocks[2:]])
    return found


def write(folder: pathlib.Path, files: dict[str, bytes]) -> None:
    """Writes files into a new folder, and into folders in it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
