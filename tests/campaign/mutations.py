"""How good files are spoilt: bits, bytes, words of a text, arrays of an archive, names in a folder."""

import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

_NASTY = (
    b"NaN",
    b"1e999",
    b"-1",
    b"",
    b"null",
    b"[]",
    b"{}",
    b'"',
    b"'",
    b"\x00",
    b"\xff\xfe",
    b"1,5",
    b"@",
    b"\n",
)


def mutate(path: Path, draw: random.Random) -> str:
    """Spoils the file at ``path``, or one of the folder there; says what was done."""
    if path.is_dir():
        inside = sorted(entry for entry in path.rglob("*") if entry.is_file() and entry.stat().st_size)
        if not inside:
            return "an empty folder"
        if draw.random() < 0.25:
            return draw.choice(_OF_FOLDERS)(draw.choice(inside), draw)
        path = draw.choice(inside)
    ways = list(_OF_BYTES)
    if _is_text(path):
        ways = [*_OF_TEXT, *_OF_TEXT, *ways]
    if path.suffix == ".npz":
        ways += [*_OF_ARRAYS, *_OF_ARRAYS]
    way = draw.choice(ways)
    try:
        return f"{path.name}: {way.__name__.strip('_')}: {way(path, draw)}"
    except (ValueError, KeyError, IndexError, zipfile.BadZipFile):  # that way has nothing to take hold of
        return f"{path.name}: flip: {_flip(path, draw)}"


def _is_text(path: Path) -> bool:
    try:
        return b"\x00" not in path.read_bytes()[:4096] and bool(path.read_text())
    except UnicodeDecodeError:
        return False


def _at(content: bytes, draw: random.Random) -> int:
    """A place: anywhere, or near an end, where headers are."""
    near = draw.choice((len(content), 256, 64))
    at = draw.randrange(max(1, min(near, len(content))))
    return at if draw.random() < 0.6 else max(0, len(content) - 1 - at)


def _flip(path: Path, draw: random.Random) -> str:
    content = bytearray(path.read_bytes())
    places = [_at(content, draw) for _ in range(draw.choice((1, 1, 1, 4, 40)))]
    for at in places:
        content[at] ^= 1 << draw.randrange(8)
    path.write_bytes(content)
    return f"a bit at {places[:4]}"


def _truncate(path: Path, draw: random.Random) -> str:
    content = path.read_bytes()
    at = draw.choice((0, 1, _at(content, draw), len(content) // 2, len(content) - 1))
    path.write_bytes(content[:at])
    return f"at {at} of {len(content)}"


def _overwrite(path: Path, draw: random.Random) -> str:
    content = bytearray(path.read_bytes())
    at, size = _at(content, draw), draw.choice((1, 8, 64, 1024))
    content[at : at + size] = draw.choice((bytes(size), b"\xff" * size, draw.randbytes(size)))
    path.write_bytes(content)
    return f"{size} bytes at {at}"


def _cut_out(path: Path, draw: random.Random) -> str:
    content = bytearray(path.read_bytes())
    at, size = _at(content, draw), draw.choice((1, 7, 64, 512))
    del content[at : at + size]
    path.write_bytes(content)
    return f"{size} bytes at {at}"


def _insert(path: Path, draw: random.Random) -> str:
    content = path.read_bytes()
    at, piece = _at(content, draw), draw.randbytes(draw.choice((1, 9, 100)))
    path.write_bytes(content[:at] + piece + content[at:])
    return f"{len(piece)} bytes at {at}"


def _swap(path: Path, draw: random.Random) -> str:
    content = path.read_bytes()
    middle = _at(content, draw)
    path.write_bytes(content[middle:] + content[:middle])
    return f"its parts at {middle}"


def _word(path: Path, draw: random.Random) -> str:
    """One word becomes a nasty one."""
    content = path.read_bytes()
    words = [word for word in content.replace(b",", b" ").replace(b":", b" ").split() if word]
    word, nasty = draw.choice(words), draw.choice(_NASTY)
    times = content.count(word)
    chosen = draw.randrange(times)
    pieces = content.split(word)
    path.write_bytes(word.join(pieces[: chosen + 1]) + nasty + word.join(pieces[chosen + 1 :]))
    return f"{word[:30]!r} became {nasty!r}"


def _line(path: Path, draw: random.Random) -> str:
    """One line goes, comes twice, or changes places with another."""
    lines = path.read_bytes().splitlines(keepends=True)
    one, other = draw.randrange(len(lines)), draw.randrange(len(lines))
    what = draw.choice(("gone", "twice", "swapped"))
    if what == "gone":
        del lines[one]
    elif what == "twice":
        lines.insert(one, lines[one])
    else:
        lines[one], lines[other] = lines[other], lines[one]
    path.write_bytes(b"".join(lines))
    return f"{one} {what}"


def _array(path: Path, draw: random.Random) -> str:
    """One array of an archive becomes something else, under its name."""
    arrays = dict(np.load(path, allow_pickle=False))
    name = draw.choice(sorted(arrays))
    what, change = draw.choice(list(_CHANGES.items()))
    arrays[name] = change(arrays[name])
    _save(path, arrays)
    return f"{name} {what}"


def _key(path: Path, draw: random.Random) -> str:
    """One array of an archive goes, or gets another name, or a copy."""
    arrays = dict(np.load(path, allow_pickle=False))
    name, new = (
        draw.choice(sorted(arrays)),
        draw.choice(("dones", "obs", "acts", "x", "", "../x", "é", "observations/a")),
    )
    what = draw.choice(("gone", "renamed", "copied"))
    array = arrays[name] if what == "copied" else arrays.pop(name)
    if what != "gone":
        arrays[new] = array
    _save(path, arrays)
    return f"{name} {what}" + (f" as {new!r}" if what != "gone" else "")


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, np.asarray(array), allow_pickle=True)


def _with_one(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array = np.array(array, np.float64 if array.dtype.kind in "biuf" else object)
        array.reshape(-1)[:1] = value
        return array

    return change


_CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "with a NaN": _with_one(np.nan),
    "with an Inf": _with_one(np.inf),
    "with 1e300": _with_one(1e300),
    "with a half": _with_one(0.5),
    "shorter": lambda array: array[: len(array) // 2],
    "empty": lambda array: array[:0],
    "as a scalar": lambda array: np.asarray(array).reshape(-1)[0],
    "one axis more": lambda array: array[..., None],
    "three axes more": lambda array: array[..., None, None, None],
    "flat": lambda array: np.asarray(array).reshape(-1),
    "transposed": lambda array: array.T,
    "of no columns": lambda array: np.zeros((len(array), 0), np.float32),
    "of text": lambda array: np.asarray(array).astype(str),
    "of bytes": lambda array: np.asarray(array).astype("S"),
    "of objects": lambda array: np.asarray(array).astype(object),
    "complex": lambda array: np.asarray(array).astype(complex),
    "of dates": lambda array: np.zeros(np.shape(array), "datetime64[s]"),
    "of records": lambda array: np.zeros(np.shape(array), [("a", "f4"), ("b", "i4")]),
    "all true": lambda array: np.ones(np.shape(array), bool),
    "negative": lambda array: -np.ones(np.shape(array), np.int64),
    "huge integers": lambda array: np.full(np.shape(array), 2**63 - 1),
    "of half floats": lambda array: np.asarray(array).astype(np.float16),
    "big-endian": lambda array: np.asarray(array).astype(">f8"),
}


def _removed(path: Path, draw: random.Random) -> str:
    path.unlink()
    return f"{path.name} is gone"


def _a_folder(path: Path, draw: random.Random) -> str:
    path.unlink()
    path.mkdir()
    return f"{path.name} is a folder"


def _dangling(path: Path, draw: random.Random) -> str:
    path.unlink()
    path.symlink_to("nowhere")
    return f"{path.name} is a link to nothing"


def _itself(path: Path, draw: random.Random) -> str:
    path.unlink()
    path.symlink_to(path.name)
    return f"{path.name} is a link to itself"


def _a_sibling(path: Path, draw: random.Random) -> str:
    siblings = sorted(entry for entry in path.parent.iterdir() if entry.is_file() and entry != path)
    if not siblings:
        return _removed(path, draw)
    sibling = draw.choice(siblings)
    shutil.copy(sibling, path)
    return f"{path.name} holds what {sibling.name} does"


_OF_BYTES = (_flip, _truncate, _overwrite, _cut_out, _insert, _swap)
_OF_TEXT = (_word, _line)
_OF_ARRAYS = (_array, _key)
_OF_FOLDERS = (_removed, _a_folder, _dangling, _itself, _a_sibling)
