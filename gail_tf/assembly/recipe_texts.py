"""Recipes as people read them: what ``--show`` and ``--list`` print. Nothing here needs TensorFlow."""

from collections.abc import Sequence

from gail_tf.assembly.gin_text import Statement, owner_of, referred, statements
from gail_tf.assembly.recipes import (
    REWARDS,
    SINGLE,
    VARIANTS,
    Layer,
    check,
    check_order,
    layers,
    read,
    settings,
    stems,
    walk,
)
from gail_tf.resources import configs_dir

_ON_TOP = ("configs/with/", "with/", "--gin", "flags")
"""How the sources begin of what goes on top of a recipe and its task."""


def show_text(configs: Sequence[str], bindings: Sequence[str] = (), flags: Sequence[str] = ()) -> str:
    """The settings that ``configs`` and ``bindings`` make, as a gin file: those that matter first.

    ``flags``: bindings that the other flags stand for.

    Each has its value, the file that it comes from and that file's comment.

    Raises:
      UserError: as ``parse_gin``, as far as it can be told without the code that is configured.
    """
    check_order(configs)
    found = layers(configs, bindings) + ([Layer("flags", "\n".join(flags))] if flags else [])
    check(configs, found)
    bound = settings(found)
    first = _that_matter(found, bound)
    dead = _replaced(found, bound)
    bound = {
        k: s._replace(comment="without effect here") if owner_of(k) in dead else s for k, s in bound.items()
    }
    blocks = [
        [*dict.fromkeys(setting.text for setting in walk(found) if setting.key == "import")],
        ["# The settings that matter.", *_aligned([s for key, s in bound.items() if key in first])],
        ["# The rest.", *_aligned([s for key, s in bound.items() if key not in first])],
    ]
    told = [_sentence(layer.text) for layer in found if layer.text.startswith("#")]
    given = [" + ".join(configs), *(["--gin"] if bindings else []), *(["flags"] if flags else [])]
    head = [f"# {' and '.join(given)}", *(f"# - {line}" for line in told)]
    return "\n\n".join("\n".join(block) for block in [head, *blocks] if block)


def _aligned(shown: Sequence[Statement]) -> list[str]:
    lines = [(f"{s.key} = {s.text}", f"# {s.source}{': ' if s.comment else ''}{s.comment}") for s in shown]
    width = max((len(line) for line, _ in lines if len(line) < 60), default=0)
    return [f"{line:<{width}}  {origin}" for line, origin in lines]


def _that_matter(found: Sequence[Layer], bound: dict[str, Statement]) -> set[str]:
    """Keys of the recipe's first block and of every overlay on top, without those that no longer act."""
    added = {key for key, setting in bound.items() if setting.source.startswith(_ON_TOP)}
    replaced = _replaced(found, bound)
    return {key for key in _first_block(found) | added if owner_of(key) not in replaced}


def _replaced(found: Sequence[Layer], bound: dict[str, Statement]) -> set[str]:
    """Names of functions and classes that a layer refers to, and in the end nothing does."""
    return referred(s.text for s in walk(found)) - referred(s.text for s in bound.values())


def _first_block(found: Sequence[Layer]) -> set[str]:
    """Keys of the first block of bindings of the recipe's page, which a blank line ends."""
    page = next((layer for layer in found if layer.source.startswith("configs/recipes/")), Layer("", ""))
    found = statements(page.text, page.source)
    gaps = (i for i in range(1, len(found)) if found[i].first_line > found[i - 1].last_line + 1)
    return {statement.key for statement in found[: next(gaps, None)]}


def _sentence(text: str) -> str:
    """The first line, a comment."""
    return text.split("\n", 1)[0].lstrip("# ")


def list_text() -> str:
    """Recipes, tasks, overlays and variants, each with its sentence."""

    def rows(items: Sequence[tuple[str, str]]) -> str:
        width = max(len(name) for name, _ in items)
        return "\n".join(f"  {name:<{width}}  {sentence}" for name, sentence in items)

    def of_files(folder: str) -> list[tuple[str, str]]:
        return [(stem, _sentence(read(configs_dir() / folder / f"{stem}.gin"))) for stem in stems(folder)]

    made = [(name, sentence) for name, (_, _, sentence) in SINGLE.items()]
    made += [(f"reward_{name}", f"The reward {formula}.") for name, formula in REWARDS.items()]
    variants = [
        (name.format(task="<task>"), " + ".join(c.format(task="<task>") for c in configs))
        for name, configs in VARIANTS.items()
    ]
    return "\n\n".join(
        [
            "Recipes: --config=<recipe>/<task>\n" + rows(of_files("recipes")),
            "Tasks\n" + rows([("any", "Given by --environment and --demonstrations."), *of_files("tasks")]),
            "Overlays: --config=with/<overlay> after a recipe\n" + rows([*of_files("with"), *made]),
            "Names that stand for a recipe with an overlay\n" + rows(variants),
        ]
    )
