"""Whether a run on the disk was made with the settings that its study asks for."""

import contextlib
import functools
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gail_tf.assembly import recipes
from gail_tf.assembly.config import FLAGS, error_line
from gail_tf.assembly.gin_text import PARSE_ERRORS, Statement, comparable, recorded
from gail_tf.errors import UserError

# Not compared: where things are.
_PLACES = ("--run_dir", "--demonstrations", "--resume", "--overwrite", "--noresume", "--nooverwrite")


def other_settings(info: Mapping[str, Any], flags: Sequence[str]) -> tuple[str, str] | None:
    """What the run has and what is asked for, in words, where the two differ; None where they do not.

    Flags are compared as they are written; of the same configs and bindings in another order, what they bind
    in the end. A gin file of one's own may say something else by now: what it binds is held against what the
    run had. Shipped ones differ from version to version, and are compared by name.

    Args:
      info: ``run.json`` of the run. flags: as a ``StudyRun`` has them.

    Raises:
      UserError: a file of one's own is no gin.
    """
    had, asked = (_settings(words) for words in (info.get("command") or (), flags))
    if set(had) != set(asked):
        missing, new = set(had) - set(asked), set(asked) - set(had)
        return shlex.join(sorted(missing)) or "nothing more", shlex.join(sorted(new)) or "nothing more"
    if _layers(had) != _layers(asked):
        was, wanted = ({key: recorded(one) for key, one in _bound(s).items()} for s in (had, asked))
        if keys := _differing(was, wanted):
            return _list_settings(was, keys), _list_settings(wanted, keys)
    return _changed_includes(info.get("includes"), asked) or _changed_files(info.get("bindings") or {}, asked)


def own_settings(configs: Sequence[str]) -> dict[str, str]:
    """What gin files of one's own among ``configs`` bind: ``<file>: <name>`` -> value, to be compared.

    What a shipped config binds that they include differs from version to version; its name is told.

    Raises:
      UserError: a file of one's own is no gin.
    """
    with _gin_errors_as_user_errors(" + ".join(configs)):
        own = recipes.own_files(configs)
        walked = [*recipes.walk([recipes.Layer(*file) for file in own.items()])]
        included = recipes.includes(configs)
    bound = {
        f"{one.source}: {one.key}": str(comparable(recorded(one))) for one in walked if one.source in own
    }
    return bound | {f"include '{name}'": "shipped" for name in included}


def _settings(words: Sequence[str]) -> list[str]:
    return [w for w in words if w.startswith("--") and w.split("=")[0] not in _PLACES]


def _layers(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Configs and bindings, of which later ones win."""
    return tuple(
        tuple(word.removeprefix(flag) for word in words if word.startswith(flag))
        for flag in ("--config=", "--gin=")
    )


def _changed_includes(had: Sequence[str] | None, asked: Sequence[str]) -> tuple[str, str] | None:
    """As ``other_settings``, of shipped configs that files of one's own include. Older runs do not say."""
    configs = _layers(asked)[0]
    with _gin_errors_as_user_errors(" + ".join(configs)):
        now = recipes.includes(configs)
    if had is None or list(had) == now:
        return None
    return tuple(" and ".join(f"include '{name}'" for name in names) or "no include" for names in (had, now))


def _changed_files(bindings: Mapping[str, Any], asked: Sequence[str]) -> tuple[str, str] | None:
    """As ``other_settings``, of what files of one's own bind and nothing else undoes."""
    own = recipes.own_files(_layers(asked)[0]) if bindings else {}
    if not own:
        return None
    # A flag wins over a file, and what is None the program may settle by itself.
    flags = {"--demonstrations", *(word.partition("=")[0] for word in asked)}
    undone = {key for flag, key in FLAGS.items() if f"--{flag}" in flags}
    bound = {
        key: one
        for key, one in _bound(asked).items()
        if one.source in own and key not in undone and one.text != "None"
    }
    was = {key: bindings[key] for key in bound if key in bindings}
    wanted = {key: recorded(one) for key, one in bound.items()}
    keys = _differing(was, wanted)
    files = " and ".join(dict.fromkeys(bound[key].source for key in keys))
    return (_list_settings(was, keys), f"{_list_settings(wanted, keys)}, by {files}") if keys else None


def _bound(words: Sequence[str]) -> dict[str, Statement]:
    configs, bindings = _layers(words)
    with _gin_errors_as_user_errors(" + ".join(configs)):
        texts = recipes.own_files(configs)
    return _settings_of(configs, bindings, tuple(texts.items()))


@functools.lru_cache(maxsize=1024)  # seeds have them in common
def _settings_of(configs: Sequence[str], bindings: Sequence[str], texts: Any) -> dict[str, Statement]:
    """``texts``, of files of one's own, tell a changed file from what was read before."""
    with _gin_errors_as_user_errors(" + ".join(configs)):
        return recipes.settings(recipes.layers(configs, bindings))


@contextlib.contextmanager
def _gin_errors_as_user_errors(what: str) -> Iterator[None]:
    try:
        yield
    except (*PARSE_ERRORS, OSError) as e:
        raise UserError(f"--config={what}: is no gin: {error_line(e)}.") from e


def _differing(was: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Names of the settings of either that the other has not, or has another value of."""
    return [
        key
        for key in {**was, **wanted}
        if (key in was) != (key in wanted) or comparable(was[key]) != comparable(wanted[key])
    ]


def _list_settings(settings: Mapping[str, Any], keys: Sequence[str]) -> str:
    return ", ".join(f"{key} = {settings[key]}" if key in settings else f"no {key}" for key in keys)
