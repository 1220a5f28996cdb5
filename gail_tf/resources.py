"""Where the shipped configs and experts are: inside an installed package, beside it in a checkout."""

from pathlib import Path

from gail_tf.errors import UserError

SHIPPED = "shipped:"
_PACKAGE = Path(__file__).resolve().parent


def configs_dir() -> Path:
    """The folder of shipped gin configs, which ``assembly/recipes.py`` puts together."""
    return _folder("configs")


def experts_dir() -> Path:
    """The folder of shipped experts: ``manifest.json``, demonstrations and policies."""
    return _folder("experts")


def resolve_demonstrations(path: str) -> str:
    """The file that ``shipped:NAME`` stands for; any other path as it is."""
    if not path.startswith(SHIPPED):
        return path
    file = shipped_file(path.removeprefix(SHIPPED))
    if not file.is_file():
        names = ", ".join(sorted(found.parent.name for found in experts_dir().glob("*/demonstrations.npz")))
        raise UserError(f"demonstrations {path} are not shipped; there are {names}.")
    return str(file)


def shipped_file(name: str) -> Path:
    """Where the demonstrations of ``shipped:NAME`` are, if they are shipped."""
    return experts_dir() / name / "demonstrations.npz"


def recorded_file(path: str) -> str:
    """Where what a run learned from is now: of a file that another installation shipped, this one's."""
    gone, here = Path(path), shipped_file(Path(path).parent.name)
    is_shipped = gone.parts[-3:] == here.parts[-3:] and here.is_file()
    return str(here) if is_shipped and not gone.exists() else path


def _folder(name: str) -> Path:
    # A wheel carries the folder inside the package; an editable install runs from the checkout.
    candidates = (_PACKAGE / name, _PACKAGE.parent / name)
    for folder in candidates:
        if folder.is_dir():
            return folder
    where = " or ".join(map(str, candidates))
    raise FileNotFoundError(f"gail_tf: no folder of {name} at {where}; reinstall it with 'pip install .'")
