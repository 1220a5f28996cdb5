"""The campaign's results as a page."""

import collections
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gail_tf.files import write_atomically

BEGIN, END = "<!-- campaign:begin -->", "<!-- campaign:end -->"
_TITLES = {
    "kills": "kill -9 at random moments",
    "disk": "full disk",
    "checkpoints": "damaged checkpoint",
    "writers": "two processes, one directory",
    "clock": "clock set back",
    "malformed": "malformed files and flags",
    "environments": "environments that misbehave",
    "soak": "soak",
}
_MOST_FAULTS = 30

Results = Sequence[Mapping[str, Any]]


def write(folder: Path, parts: Mapping[str, Any], page: Path) -> None:
    """Puts the report between the page's marks, at its end where it has none."""
    old = page.read_text() if page.exists() else ""
    before, _, rest = old.partition(BEGIN)
    after = rest.partition(END)[2]
    write_atomically(page, f"{before}{BEGIN}\n{text(folder, parts)}{END}{after or chr(10)}")


def text(folder: Path, parts: Mapping[str, Any]) -> str:
    """Markdown of everything that ``folder`` holds.

    Args:
      parts: name -> (number of trials of a whole campaign, ...).
    """
    results = {name: read(folder / f"{name}.jsonl") for name in parts}
    body = []
    for name, (planned, *_) in parts.items():
        rows = results[name]
        right, mended = sum(row["ok"] for row in rows), sum(row["ok"] and row["was_wrong"] for row in rows)
        body.append([_TITLES[name], planned, len(rows), right, mended, len(rows) - right])
    head = ["part", "planned", "run", "right", "of these wrong before a fix", "wrong"]
    commits = sorted({row["commit"] for rows in results.values() for row in rows})
    hours = sum(row["seconds"] for rows in results.values() for row in rows) / 3_600
    seeds = sorted({row["seed"] for rows in results.values() for row in rows})
    told = f"Seed {', '.join(map(str, seeds)) or '-'}, commit {', '.join(commits) or '-'}, {hours:.1f} hours."
    tables = {"kills": _kills, "malformed": _malformed, "soak": _soaks}
    sections = [table(results[name]) for name, table in tables.items() if name in results]
    sections.append(_faults(results))
    return "\n\n".join([_table(head, body), told, *filter(None, sections)]) + "\n"


def read(file: Path) -> Results:
    """The last result of every trial; ``was_wrong`` says whether an earlier one of it was wrong."""
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for line in file.read_text().splitlines() if file.exists() else []:
        row = json.loads(line)
        before = found.pop((row["seed"], row["trial"]), None)
        was_wrong = before is not None and (before["was_wrong"] or not before["ok"])
        found[row["seed"], row["trial"]] = row | {"was_wrong": was_wrong}
    return list(found.values())


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _kills(rows: Results) -> str:
    """Kills by family and phase."""
    rows = [row for row in rows if "in" in row]
    if not rows:
        return ""
    counts = collections.Counter((row["family"], phase) for row in rows for phase in row["in"])
    phases = sorted({phase for _, phase in counts})
    families = sorted({row["family"] for row in rows})
    body = [[family, *(counts[family, phase] for phase in phases)] for family in families]
    total = sum(counts.values())
    return f"Where the {total} kills of {len(rows)} runs fell:\n\n" + _table(["family", *phases], body)


def _malformed(rows: Results) -> str:
    """Verdicts by format."""
    rows = [row for row in rows if "verdict" in row]
    if not rows:
        return ""
    counts = collections.Counter((row["format"], row["verdict"]) for row in rows)
    wrong = collections.Counter(row["format"] for row in rows if not row["ok"])
    names = sorted({row["format"] for row in rows})
    body = [[name, counts[name, "refused"], counts[name, "taken"], wrong[name]] for name in names]
    body.append(["all", *(sum(column) for column in zip(*(line[1:] for line in body), strict=True))])
    told = "Taken are those that are good after all (a bit of a number in a text file, say):"
    return f"{told}\n\n" + _table(["format", "refused in one line", "taken", "wrong"], body)


def _soaks(rows: Results) -> str:
    rows = [row for row in rows if "soak" in row]
    if not rows:
        return ""
    head = [
        "soak",
        "simulated hours",
        "minutes",
        "memory, first to last (MB)",
        "rise (MB)",
        "handles, first to last",
    ]
    body = [
        [
            row["soak"],
            row["simulated_hours"] or "-",
            round(row["seconds"] / 60, 1),
            " to ".join(f"{value:.0f}" for value in row["memory_mb"]),
            row["memory_rise_mb"],
            " to ".join(f"{value:.0f}" for value in row["handles"]),
        ]
        for row in rows
    ]
    return "A rise is that of a straight line through the last two thirds of the samples.\n\n" + _table(
        head, body
    )


def _faults(results: Mapping[str, Results]) -> str:
    """What went wrong, a line each."""
    lines = []
    for name, rows in results.items():
        for row in rows:
            if not row["ok"]:
                known = [
                    str(row[key])
                    for key in ("family", "format", "fault", "done", "how", "soak")
                    if key in row
                ]
                what = " ".join("; ".join(map(str, row["wrong"])).split())
                what = re.sub(r"(/[\w.+-]+){2,}/", ".../", what)  # of no use on another machine
                said = what if len(what) < 300 else what[:120] + " ... " + what[-160:]
                told = f"{', '.join(known)[:120]}: {said}".replace("`", "'")
                lines.append(f"- {name} {row['trial']} `{told}`")
    more = [f"- and {len(lines) - _MOST_FAULTS} more"] if len(lines) > _MOST_FAULTS else []
    return "Wrong:\n\n" + "\n".join([*lines[:_MOST_FAULTS], *more]) if lines else ""
