"""Where the shipped configs and experts are: inside an installed package, beside it in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def configs_dir() -> Path:
    """The folder of shipped gin configs, which ``assembly/recipes.py`` puts together."""
    return _folder("configs")


def experts_dir() -> Path:
    """The folder of shipped experts: ``manifest.json``, demonstrations and policies."""
    return _folder("experts")


def _folder(name: str) -> Path:
    # A wheel carries the folder inside the package; an editable install runs from the checkout.
    candidates = (_PACKAGE / name, _PACKAGE.parent / name)
    for folder in candidates:
        if folder.is_dir():
            return folder
    where = " or ".join(map(str, candidates))
    raise FileNotFoundError(f"gail_tf: no folder of {name} at {where}; reinstall it with 'pip install .'")
