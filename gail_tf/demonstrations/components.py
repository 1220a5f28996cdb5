"""Observations of named components, as a ``Dict`` space has them: put side by side, in one known order.

Gymnasium's rule (``gymnasium.spaces.flatten``): the keys in the space's order, which sorts those of a plain
dict; each component flattened; all concatenated. The key of a component within another is ``outer/inner``.
"""

import re
from collections.abc import Mapping

import numpy as np

from gail_tf.demonstrations import arrays
from gail_tf.errors import UserError

Components = tuple[tuple[str, int], ...]


def listed(components: Components) -> str:
    """ "goal (2), position (3)"."""
    return ", ".join(f"{key} ({width})" for key, width in components)


def concatenated(name: str, parts: Mapping[str, object]) -> tuple[np.ndarray, Components]:
    """Float32 ``[N, d]`` of components ``[N, ...]`` in the order given, and their widths."""
    columns = {}
    for key, part in parts.items():
        rows = np.asarray(part)
        if not rows.size or not rows.ndim:
            raise UserError(f"{name}/{key} has shape {list(rows.shape)}; wanted one row per step: record it")
        columns[f"{name}/{key}"] = arrays.as_float32(f"{name}/{key}", rows.reshape(len(rows), -1), ndim=2)
    arrays.require_same_length(columns)
    widths = (column.shape[1] for column in columns.values())
    return np.concatenate(list(columns.values()), axis=1), tuple(zip(parts, widths, strict=True))


def joined(fields: Mapping[str, np.ndarray], *names: str) -> tuple[dict[str, np.ndarray], Components | None]:
    """``fields`` with every ``name/<key>`` put together as ``name``; their components, None without any.

    Raises:
      UserError: ``name`` stands beside its components, or two names have different ones.
    """
    fields, found = dict(fields), {}
    for name in names:
        keys = [key.removeprefix(f"{name}/") for key in fields if key.startswith(f"{name}/")]
        if not keys:
            continue
        if name in fields:
            raise UserError(f"{name} and {name}/{keys[0]} mean the same; wanted one: remove the other")
        parts = {key: fields.pop(f"{name}/{key}") for key in sorted(keys, key=lambda key: key.split("/"))}
        fields[name], found[name] = concatenated(name, parts)
    if not found:
        return fields, None
    (first, components), *others = found.items()
    for name, other in others:
        if other != components:
            given, wanted = listed(other), f"those of {first}, {listed(components)}"
            raise UserError(f"{name} has the components {given}; wanted {wanted}: record both alike")
    return fields, components


def by_number(given: Components, wanted: Components) -> Components | None:
    """``given`` with joint (2) as joint_1 (1) and joint_2 (1), where ``wanted`` has those; None for nothing.

    A table's columns joint_1 and joint_2 may be one component or two: the environment knows.
    """
    numbered: dict[str, list[tuple[int, str]]] = {}
    for key, width in wanted:
        if width == 1 and (found := re.fullmatch(r"(.*?)[._]?(\d+)", key)):
            numbered.setdefault(found[1], []).append((int(found[2]), key))
    known, split = dict(wanted), []
    for key, width in given:
        parts = [] if key in known else sorted(numbered.get(key, []))
        split += [(part, 1) for _, part in parts] if len(parts) == width else [(key, width)]
    return tuple(split) if len(split) > len(given) else None


def columns_in_order(given: Components, wanted: Components) -> np.ndarray:
    """int ``[d]``: the columns of ``given``, in the order of ``wanted``, whose components are among them."""
    widths = dict(given)
    starts = dict(zip(widths, np.cumsum([0, *widths.values()]), strict=False))
    return np.concatenate([starts[key] + np.arange(width) for key, width in wanted])
