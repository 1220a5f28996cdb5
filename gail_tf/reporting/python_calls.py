"""Commands, and calls from Python for what no command can do: a function of somebody's made the environment.

``factory`` is its qualified name, as ``environment_factory`` in run.json and policy.json.
"""

import os
import re
import shlex

from gail_tf.types import ARRAYS, DEMONSTRATIONS


def quoted(word: str) -> str:
    """``word`` as a shell takes it: in double quotes where it has single ones of its own."""
    plain = "'" in word and not any(sign in word for sign in '"$`\\!')
    return f'"{word}"' if plain else shlex.quote(word)


def own_imports(config: str) -> list[str]:
    """The lines of gin in ``config`` that import modules other than ours: they register parts, or an id."""
    return re.findall(r"^((?:import|from) +(?!gail_tf\b).*\S)\s*$", config, re.MULTILINE)


def evaluation(
    policy: str | os.PathLike, factory: str, num_episodes: int | None = None, drawn: bool = False
) -> str:
    """What evaluates the policy of a run, or an exported one, by its mode or with ``drawn`` actions."""
    more = "" if num_episodes is None else f", num_episodes={num_episodes}"
    more += ", deterministic=False" if drawn else ""
    return f"gail_tf.evaluate({str(policy)!r}, environment={_argument(factory)}{more})"


def evaluation_command(
    policy: str | os.PathLike,
    factory: str | None,
    num_episodes: int | None,
    drawn: bool,
    program: str = "gail-evaluate",
) -> str:
    """The same as a command of the shell, but where only Python can: there the call."""
    if factory:
        return evaluation(policy, factory, num_episodes, drawn)
    command = f"{program} --policy={shlex.quote(str(policy))}"
    command += "" if num_episodes is None else f" --num_episodes={num_episodes}"
    return command + (" --stochastic" if drawn else "")


def continuation(run_dir: str | os.PathLike, factory: str, demonstrations: str | None) -> str:
    """What resumes a run; ``demonstrations`` as run.json names them: of arrays it holds no more than that."""
    again = ", demonstrations=..." if demonstrations in (ARRAYS, DEMONSTRATIONS) else ""
    return f"gail_tf.train(run_dir={str(run_dir)!r}, environment={_argument(factory)}{again}, resume=True)"


def _argument(factory: str) -> str:
    """The function as it is called where it is at hand; a lambda has no name."""
    return factory.rpartition(".")[2].replace("<lambda>", "lambda: ...")
