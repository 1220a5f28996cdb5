"""Recipe x task x overlay: what a config's name stands for, and where each of its settings comes from.

``<recipe>/<task>`` is a name, not a file. It stands for layers of gin, of which the later ones win:

    recipes/<recipe>.gin          the whole recipe on one page, the settings that matter first
    tasks/<task>.gin              environment and shipped demonstrations; ``any`` has none
    the page's tables             ``Recipe.env_steps``, ``.overlays``, ``.by_task``, ``.beside_overlay``: by
                                  task, not tuned; what ``Overlay.undoes`` names takes the last along
    tuned/<recipe>/<task>.gin     where something was really tuned
    with/<overlay>.gin            for each overlay that is given after it

``Recipe.*`` and ``Overlay.*`` are read here and never reach gin. Nothing here needs TensorFlow.
"""

import difflib
import functools
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gail_tf.assembly.gin_text import Statement, owner_of, referred, statements, without
from gail_tf.errors import UserError
from gail_tf.resources import configs_dir

# Names of variants -> the configs that they stand for; {task} is any task, or "any".
VARIANTS = {
    "gail_vr/{task}": ("gail_ppo/{task}", "with/no_cloning", "with/gail_vr"),
    "gail_vr/{task}_trpo": ("gail_trpo/{task}", "with/no_cloning", "with/gail_vr"),
    "gail_vr/{task}_paper": ("gail_ppo/{task}", "with/no_cloning", "with/gail_vr_paper"),
    "gail_vr/gail_paper": ("gail_ppo/any", "with/table_3_gail"),
    "gail_gp/{task}": ("gail_ppo/{task}", "with/no_cloning", "with/gail_gp"),
    "w_gail/{task}": ("gail_ppo/{task}", "with/no_cloning", "with/w_gail"),
    "w_gail_gp/{task}": ("gail_ppo/{task}", "with/no_cloning", "with/w_gail_gp"),
    "gail_ppo/demo": ("gail_ppo/hopper", "with/cloning", "with/demo"),
    "mgail/any_discrete": ("mgail/any", "with/discrete_actions"),
    "credo/ppo_gail": ("credo_ppo_gail/any",),
    "credo/tssg": ("credo_tssg/any",),
}
_GAMES = ("ms_pacman", "pong", "seaquest", "space_invaders")  # from the screen: no absorbing states
VARIANTS |= {
    f"{name}/{game}": (f"gail_ppo/{game}", "with/no_cloning", f"with/{name}", "pixels/task")
    for name in ("w_gail", "w_gail_gp")
    for game in _GAMES
}
# with/reward_<name> binds Discriminator.reward_fn; formulas of gail_tf/rewards/functions.py.
REWARDS = {
    "plr": "r1 = -log(1 - D)",
    "airl": "r2 = log D - log(1 - D)",
    "log_d": "r3 = log D",
    "d": "r4 = D",
    "exp_d": "r5 = exp D",
    "neg_inv_d": "r6 = -1/D",
    "d_squared": "r7 = D^2",
    "sqrt_d": "r8 = sqrt D",
}
# with/<name> of a single binding: what it needs, the binding, its sentence.
SINGLE = {
    "generator_first": (
        ("OnPolicyGenerator", "Discriminator"),
        "OnPolicyGenerator.generator_first = True",
        "GAIL-VR's order of updates without its regulariser: first policy and value, then discriminator.",
    ),
    "warm_start": (
        ("OnPolicyGenerator", "Discriminator"),
        "OnPolicyGenerator.warm_start_epochs = 200",
        "Behavioural cloning before the first iteration.",
    ),
    "label_smoothing": (
        ("bce_loss",),
        "bce_loss.label_smoothing = 0.1",
        "Targets 0.9 for the expert and 0.1 for the agent, in place of 1 and 0.",
    ),
    "expert_weight": (
        ("bce_loss",),
        "bce_loss.expert_weight = 0.8",
        "The expert's half of the loss weighs 0.8, as in MGAIL's code.",
    ),
}
# Bindings that have moved: old -> new.
RENAMED = {
    f"Discriminator.{name}": f"make_discriminator_network.{name}"
    for name in ("hidden", "activation", "spectral_normalization", "weight_constraint")
}
OVERLAYS = "with/"
_TABLES = ("Recipe.", "Overlay.")
_TERMS = "Discriminator.loss_terms"


class Layer(NamedTuple):
    """A piece of gin and where it comes from, as a person would look for it.

    Attributes:
      comes_with: the overlay that a recipe brings for the task, of the layers that go where it is undone.
    """

    source: str
    text: str
    comes_with: str | None = None


# --- names


@functools.cache
def stems(folder: str) -> tuple[str, ...]:
    """Names of the gin files of ``configs/FOLDER``."""
    return tuple(sorted(path.stem for path in (configs_dir() / folder).glob("*.gin")))


@functools.cache
def _variants() -> dict[str, tuple[str, ...]]:
    return {
        name.format(task=task): tuple(config.format(task=task) for config in stands_for)
        for name, stands_for in VARIANTS.items()
        for task in ("any", *stems("tasks"))
    }  # a name in full stands behind those by {task}, and replaces one of them


@functools.cache
def _names() -> frozenset[str]:
    recipes = (f"{recipe}/{task}" for recipe in stems("recipes") for task in ("any", *stems("tasks")))
    overlays = (*stems("with"), *SINGLE, *(f"reward_{name}" for name in REWARDS))
    return frozenset([*recipes, *_variants(), *(OVERLAYS + name for name in overlays)])


def shipped_configs() -> list[str]:
    """Every name that ``--config`` takes: recipes with tasks, variants, overlays."""
    return sorted(_names())


@functools.cache
def parts_of_runs() -> frozenset[str]:
    """Names of the parts that some shipped config of a run binds, such as PPO or Trainer."""
    files = [
        path for folder in ("recipes", "tasks", "with") for path in (configs_dir() / folder).glob("*.gin")
    ]
    keys = (statement.key for path in files for statement in statements(read(path), path.name))
    own = (key for key in keys if "." in key and not key.startswith(_TABLES))
    return frozenset(map(owner_of, own))


def resolve_config(name: str) -> list[Layer]:
    """The layers that a shipped name or a path to a gin file stands for; UserError where there is none."""
    found = included(name)
    if found is None:
        recipes, tasks = ", ".join(stems("recipes")), ", ".join(stems("tasks"))
        form = f"a name is <recipe>/<task>, with recipes {recipes} and tasks any, {tasks}."
        hint = did_you_mean(name, shipped_configs()) or form
        raise UserError(f"--config={name}: neither a file nor a shipped config; {hint}")
    return found


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Asks for those of ``names`` that are like ``name``; empty where none is."""
    close = difflib.get_close_matches(name, names, n=3)
    return f"did you mean {', '.join(close)}?" if close else ""


def check_order(configs: Sequence[str]) -> None:
    """One recipe, and after it what changes it: a shipped recipe would undo whatever stands before it."""
    names = list(map(_bare, configs))
    recipes = [i for i, name in enumerate(names) if name in _names() and not name.startswith(OVERLAYS)]
    if configs and configs[0].startswith(OVERLAYS) and not os.path.isfile(configs[0]):
        raise UserError(
            f"--config={configs[0]} changes a recipe, and none stands before it: give one first, as in "
            f"--config=sac_gail/any --config={configs[0]}"
        )
    if recipes and recipes[-1] > 0:
        raise UserError(
            f"--config={configs[recipes[-1]]} is a recipe and undoes what stands before it "
            f"({', '.join(configs[: recipes[-1]])}): give one recipe, and give it first"
        )


# --- layers


def layers(configs: Sequence[str], bindings: Sequence[str] = ()) -> list[Layer]:
    """What ``configs`` and ``bindings`` stand for together, in the order in which gin is to read it."""
    found: list[Layer] = []
    recipe: str | None = None
    for what, _ in _in_order(configs, bindings):
        if isinstance(what, Layer):
            found.append(what)
            continue
        added = _laid_over(found, what)
        undone = _overlay(what).get("Overlay.undoes")
        found = [layer for layer in found if undone is None or layer.comes_with != undone]
        found += [*added, *(_beside(recipe, what) if recipe else [])]
        recipe = what if _is_recipe(what) else recipe
    return [*found, *_named_after_its_agent(found)]


def _in_order(
    configs: Sequence[str], bindings: Sequence[str] = (), within: Sequence[str] = ()
) -> Iterator[tuple[str | Layer, str]]:
    """Shipped names, and between them what is somebody's own, each with what a person typed for it.

    An include of a shipped name is what ``--config`` of it would be in its place: an overlay also takes terms
    away, renames the algorithm, and wants parts that it changes. ``within``: the files that include these.
    """
    for config in configs:
        for name in _stands_for(config):
            if not os.path.isfile(name):
                yield name, config
                continue
            file = os.path.realpath(name)
            if file in within:
                raise UserError(f"{name} includes itself, by include '{config}': leave that line out")
            (own,) = included(name)
            yield from _in_pieces(own, [*within, file])
    if bindings:
        yield from _in_pieces(Layer("--gin", "\n".join(bindings)))


def _in_pieces(own: Layer, within: Sequence[str] = ()) -> Iterator[tuple[str | Layer, str]]:
    """A text of somebody's own, cut at its includes; blank lines keep the numbers of the others."""
    lines, start = own.text.splitlines(), 0
    for one in statements(own.text, own.source):
        if one.key != "include" or included(one.value) is None:  # what there is not is for gin to refuse
            continue
        yield own._replace(text="\n" * start + "\n".join(lines[start : one.first_line - 1])), own.source
        for what, typed in _in_order([one.value], within=within):
            yield what, typed if isinstance(what, Layer) else f"include '{one.value}'"
        start = one.last_line
    yield own._replace(text="\n" * start + "\n".join(lines[start:])), own.source


def _named_after_its_agent(found: Sequence[Layer]) -> list[Layer]:
    """The algorithm's name where somebody binds another agent and leaves the name to the recipe."""
    bound = settings(found)
    named = bound.get("Experiment.algorithm")
    agents = [bound[key] for key in ("OnPolicyGenerator.agent", "OffPolicyGenerator.agent") if key in bound]
    others = [one for one in agents if not one.source.startswith("configs/")]
    if named is None or not named.source.startswith("configs/") or not others:
        return []
    agent = re.split(r"[@./]", others[-1].text)[-1].removesuffix("()")
    maker = re.match(r"[\w-]+(?= .*\()", named.value)
    algorithm = f"{maker[0]} ({agent})" if maker else agent
    is_same = re.search(rf"\b{re.escape(agent)}\b", named.value)
    return [] if is_same else [Layer("--gin", f"Experiment.algorithm = {algorithm!r}")]


def _beside(recipe: str, overlay: str) -> list[Layer]:
    """What ``recipe`` has for its task beside ``overlay``: it goes along, and comes back, with it."""
    page, task = recipe.split("/")
    tables = _tables(f"recipes/{page}.gin")
    brought = overlay in _of_task(tables, "Recipe.overlays", task)
    rows = _of_task(tables, "Recipe.beside_overlay", task) if brought else []
    return [Layer(f"configs/recipes/{page}.gin ({task})", "\n".join(rows), overlay)] if rows else []


def _is_recipe(name: str) -> bool:
    return name in _names() and name not in _variants() and not name.startswith(OVERLAYS)


def _laid_over(below: Sequence[Layer], name: str) -> list[Layer]:
    """What ``name`` adds to the layers below it, the algorithm's new name included."""
    added = _for_parts(resolve_config(name), name, below)
    kept = _terms(settings(below), _overlay(name).get("Overlay.drops"))
    added += [Layer(f"configs/{name}.gin", f"{_TERMS} = [{', '.join(kept)}]")] if kept else []
    named = settings([*below, *added]).get("Experiment.algorithm")
    if named and (algorithm := _renamed(named.value, _overlay(name))) != named.value:
        added.append(Layer(f"configs/{name}.gin", f"Experiment.algorithm = {algorithm!r}"))
    return added


def _renamed(algorithm: str, overlay: Mapping[str, Any]) -> str:
    """GAIL + cloning (PPO): an overlay says what stands for GAIL, or for what is beside it."""
    if name := overlay.get("Overlay.algorithm"):
        algorithm = re.sub(r"^GAIL(?=( \+ cloning)? \()", name, algorithm)
    if (beside := overlay.get("Overlay.beside")) is not None:
        algorithm = re.sub(r"( \+ cloning)?(?= \(|$)", beside, algorithm, count=1)
    if source := overlay.get("Overlay.settings"):
        algorithm = re.sub(rf"(, {source})?\)$", f", {source})", algorithm)
    return algorithm


def _terms(below: Mapping[str, Statement], dropped: str | None) -> list[str]:
    """The discriminator's loss terms but ``dropped``; none where nothing drops one."""
    if dropped is None or _TERMS not in below:
        return []
    terms = re.findall(r"@[\w./]+(?:\(\))?", below[_TERMS].text)
    return [term for term in terms if re.split(r"[@./]", term)[-1] != dropped]


def _for_parts(overlay: list[Layer], name: str, below: Sequence[Layer]) -> list[Layer]:
    """An overlay's layers; of one for a part "or" another, without the settings of that which is missing."""
    choices = {part for need in _needs(name) if " or " in need for part in need.split(" or ")}
    if not choices:
        return overlay
    bound = settings(below)  # a config of one's own may leave to the code which part it is, and bind of it
    absent = [f"{part}." for part in choices - _parts(bound) - set(map(owner_of, bound))]
    return [layer._replace(text=without(layer.text, layer.source, absent)) for layer in overlay]


def _stands_for(name: str) -> tuple[str, ...]:
    name = _bare(name)
    return _variants().get(name, (name,))


def _bare(name: str) -> str:
    """A shipped name without the ".gin" that it may have been typed with; anything else as it is."""
    bare = name.removesuffix(".gin")
    return bare if bare in _names() and not os.path.isfile(name) else name


def _layers_of(name: str) -> list[Layer] | None:
    """The layers of a shipped name or of a file below configs/, None where there is none."""
    if name in _variants():
        return layers(_variants()[name])
    if (reward := name.removeprefix(f"{OVERLAYS}reward_")) in REWARDS and name != reward:
        return [Layer(name, f"Discriminator.reward_fn = @{reward}    # {REWARDS[reward]}")]
    if name.removeprefix(OVERLAYS) in SINGLE and name.startswith(OVERLAYS):
        _, binding, sentence = SINGLE[name.removeprefix(OVERLAYS)]
        return [Layer(name, f"# {sentence}\n{binding}")]
    if not _is_recipe(name):
        return _shipped_layer(f"{name}.gin")
    recipe, task = name.split("/")
    page = _shipped_layer(f"recipes/{recipe}.gin")
    if task == "any":
        return page
    dropped = () if _imitates(page) else ("load_demonstrations.",)
    return [
        *page,
        *_shipped_layer(f"tasks/{task}.gin", dropped),
        *_rows(name, page),
        *(_shipped_layer(f"tuned/{name}.gin") or []),
    ]


def _imitates(page: Sequence[Layer]) -> bool:
    needs = settings(page).get("Experiment.needs_demonstrations")
    return needs is None or needs.value


def _rows(name: str, page: Sequence[Layer]) -> list[Layer]:
    """The rows of a recipe's tables for its task, as gin; an overlay's are those that it adds to ``page``."""
    recipe, task = name.split("/")
    source, tables = f"configs/recipes/{recipe}.gin ({task})", _tables(f"recipes/{recipe}.gin")
    steps = tables.get("Recipe.env_steps", {}).get(task)
    overlay = _of_task(tables, "Recipe.overlays", task)
    found = [
        Layer(source, f"Trainer.total_env_steps = {steps:_}    # environment steps" if steps else ""),
        *(Layer(source, layer.text, beside) for beside in overlay for layer in _laid_over(page, beside)),
        Layer(source, "\n".join(_of_task(tables, "Recipe.by_task", task))),
        *(layer for beside in overlay for layer in _beside(name, beside)),
    ]
    return [layer for layer in found if layer.text]


def _of_task(tables: Mapping[str, Any], table: str, task: str) -> list[str]:
    """What the entries of a table say whose key, a task or several, holds ``task``."""
    entries = tables.get(table, {}).items()
    found = [value for tasks, value in entries if task in ([tasks] if isinstance(tasks, str) else tasks)]
    return [row for value in found for row in ([value] if isinstance(value, str) else value)]


def _shipped_layer(file: str, dropped: Sequence[str] = ()) -> list[Layer] | None:
    path = configs_dir() / file
    if not path.is_file():
        return None
    return [Layer(f"configs/{file}", without(read(path), file, (*_TABLES, *dropped)))]


def _tables(file: str) -> dict[str, Any]:
    """``Recipe.*`` and ``Overlay.*`` of a shipped file."""
    found = statements(read(configs_dir() / file), file)
    return {statement.key: statement.value for statement in found if statement.key.startswith(_TABLES)}


def _overlay(name: str) -> dict[str, Any]:
    """What an overlay says of itself; nothing where ``name`` is none, or a file of one's own."""
    if not name.startswith(OVERLAYS) or os.path.isfile(name):
        return {}
    if name.removeprefix(f"{OVERLAYS}reward_") in REWARDS:
        return {"Overlay.needs": ["Discriminator"]}
    if name.removeprefix(OVERLAYS) in SINGLE:
        return {"Overlay.needs": SINGLE[name.removeprefix(OVERLAYS)][0]}
    return _tables(f"{name}.gin")


def read(path: str | os.PathLike) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as e:
        raise UserError(f"{path}: is no text; give a gin file or the name of a shipped config.") from e


# --- settings


def walk(found: Sequence[Layer]) -> Iterator[Statement]:
    """Every binding of the layers in order, those of included files too; imports have the key "import"."""
    for layer in found:
        for statement in statements(layer.text, layer.source):
            if statement.key == "include":
                yield from walk(included(statement.value) or [])
            elif not statement.key.endswith("."):
                yield statement


def settings(found: Sequence[Layer]) -> dict[str, Statement]:
    """What the layers bind in the end, in the order of the first mention."""
    return {setting.key: setting for setting in walk(found) if setting.key != "import"}


def included(name: str) -> list[Layer] | None:
    """What ``include 'name'`` stands for: a file or a shipped name, with ``.gin``; None where neither."""
    if os.path.isfile(name):
        return [Layer(name, without(read(name), name, _TABLES))]
    return _layers_of(name.removesuffix(".gin"))


def recipe_budget(configs: Sequence[str]) -> dict[str, int | None]:
    """The environment steps and iterations that a recipe with its overlays has; None where they say none."""
    found = settings(layers(configs))
    budgets = {"recipe_env_steps": "total_env_steps", "recipe_iterations": "total_iterations"}
    bound = {name: found.get(f"Trainer.{budget}") for name, budget in budgets.items()}
    return {name: one.value if one and isinstance(one.value, int) else None for name, one in bound.items()}


def own_files(configs: Sequence[str]) -> dict[str, str]:
    """Name -> text of the configs that are files of one's own, and of what these include of the kind."""
    found, waiting = {}, list(configs)
    while waiting:
        name = waiting.pop(0)
        if name not in found and os.path.isfile(name):
            found[name] = read(name)
            waiting += _includes(name, found[name])
    return found


def includes(configs: Sequence[str]) -> list[str]:
    """The shipped names that configs of one's own include, in order."""
    files = own_files(configs)
    names = [name for file, text in files.items() for name in _includes(file, text)]
    return [name for name in names if name not in files]


def _includes(name: str, text: str) -> list[str]:
    return [one.value for one in statements(text, name) if one.key == "include"]


def check(configs: Sequence[str], found: Sequence[Layer]) -> None:
    """Raises UserError for a binding that has moved, and for an overlay on a recipe without its parts."""
    for setting in walk(found):
        if new := RENAMED.get(setting.key.rsplit("/", 1)[-1]):
            raise UserError(f"config: {setting.key} ({setting.source}) is {new} now: bind that")
    bound = settings(found)
    if not any(setting.source.startswith("configs/recipes/") for setting in bound.values()):
        return  # somebody's own recipe, which may rely on what the code has for defaults
    typed = _shipped(configs)
    for name in typed:
        if missing := _missing(_needs(name), _parts(bound)):
            given = " + ".join(other for other in configs if _bare(other) != name)
            raise UserError(
                f"{_said(name, typed)} changes {' and '.join(missing)}, which {given} does not have: it goes "
                f"on top of {', '.join(_fitting(name))}"
            )
    _check_algorithms(typed, bound)


def _check_algorithms(typed: Mapping[str, str], bound: Mapping[str, Statement]) -> None:
    """Raises UserError where a run would go by the name of an algorithm that it is not."""
    makers = {typed[name]: found for name in typed if "Overlay.algorithm" in (found := _overlay(name))}
    if len(makers) > 1:
        raise UserError(f"--config: {' and '.join(makers)} have a discriminator each of their own: give one")
    for name, overlay in makers.items():
        lost = [term for term in overlay["Overlay.terms"] if term not in _parts({_TERMS: bound[_TERMS]})]
        by = bound[_TERMS].source.removesuffix(".gin").removeprefix("configs/")
        if lost and by.startswith(OVERLAYS):
            taken = f"{_said(by, typed)} takes {' and '.join(lost)} away"
            what = f"{taken}, without which {name} is another algorithm"
            raise UserError(f"{what}: leave it out, or bind {_TERMS} with --gin")


def _shipped(configs: Sequence[str]) -> dict[str, str]:
    """The shipped names that ``configs`` stand for, those included too, with what was typed for each."""
    return {what: typed for what, typed in _in_order(configs) if isinstance(what, str)}


def _said(name: str, typed: Mapping[str, str]) -> str:
    """How a person asked for the shipped ``name``."""
    given = typed.get(name, name)
    return given if given.startswith("include ") else f"--config={name}"


def _needs(overlay: str) -> Sequence[str]:
    """Names of parts; "PPO or SAC" is either of them."""
    return _overlay(overlay).get("Overlay.needs", ())


def _missing(needs: Sequence[str], parts: set[str]) -> list[str]:
    return [need for need in needs if parts.isdisjoint(need.split(" or "))]


def _parts(bound: Mapping[str, Statement]) -> set[str]:
    """Names of the functions and classes that the settings refer to."""
    return referred(setting.text for setting in bound.values())


def _fitting(overlay: str) -> list[str]:
    """The recipes that have the parts which ``overlay`` changes."""
    parts_of = {recipe: _parts(settings(layers([f"{recipe}/any", overlay]))) for recipe in stems("recipes")}
    return [recipe for recipe, parts in parts_of.items() if not _missing(_needs(overlay), parts)]


@functools.cache
def _games_from_the_screen() -> dict[str, str]:
    """The task of each environment that one plays from its frames."""
    found = {}
    for task in stems("tasks"):
        bound = settings(layers([f"gail_ppo/{task}"]))
        wrappers = bound.get("make_environment.wrappers")
        if wrappers is not None and "atari_pixels" in wrappers.text:
            found[bound["make_environment.environment"].value] = task
    return found


def recipe_of(environment: str, bindings: Sequence[str], num_episodes: int) -> str:
    """The flags of gail-train for a recipe that imitates what was recorded there.

    A game from the screen wants an encoder and a covered score, PyBullet settings of its own: not ``any``.
    Those recipes, unlike ``any``, say how many trajectories they take, and which environment.
    """
    count = f"--num_demonstrations={num_episodes}"
    if any("atari_pixels" in line for line in bindings):
        task = _games_from_the_screen().get(environment)
        if task is not None:
            return f"--config=gail_ppo/{task} {count}"
        return f"--config=gail_ppo/seaquest --environment={environment} {count}"
    if environment.startswith("pybullet_envs"):
        return f"--config=gail_ppo/pybullet --config=with/cloning --environment={environment} {count}"
    return "--config=gail_ppo/any --config=with/cloning"
