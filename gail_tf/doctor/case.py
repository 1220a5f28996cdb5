"""What the checks read of a run, and what they find."""

import ast
import dataclasses
import functools
import itertools
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from gail_tf.reporting import python_calls
from gail_tf.reporting.aggregates import FAR
from gail_tf.reporting.runs import Run, finite_or_none
from gail_tf.scores import doubt, nearness, small_scale
from gail_tf.types import ARRAYS, DEMONSTRATIONS

GOOD_SCORE = 0.8
"""Normalised return from which a run is not accused of how it learned: nothing of it is to be changed."""

GOOD_DISTANCE = 0.45
"""The same where no return tells, in random policies' distances: of 721 recorded runs on 13 tasks, of four
demonstrations, 563 of the 569 with 0.8 of the expert or more are within it, 38 of the 152 with less, and none
of the 107 with less than 0.5. (An absolute one is no measure: 0.35 is beyond a random policy on Swimmer-v5,
at 0.31, and experts of Reacher-v5 are beyond it.)"""

MIN_VALUES = 10
"""Lines of a metric below which it is not judged: a discriminator that learns is near 0.5 at first
(0.13 and 0.86 in the first seven of a healthy run of gail_trpo/cartpole)."""

EARLIEST = 0.3
"""Share of the budget before which a low return accuses nobody: of eight healthy runs of gail_ppo/hopper one
had 0.23 of the expert then, with accuracies of 0.99."""


_ARGUMENTS, _UNBOUND = ("kwargs", "max_episode_steps", "wrappers"), ("None", "()", "[]")
_OPTIONAL = (
    "Discriminator",
    "make_discriminator_network",
    "make_actor_network",
    "gradient_penalty",
    "OffPolicyGenerator",
)
"""Parts that not every recipe has."""


class Finding(NamedTuple):
    """A verdict.

    Attributes:
      figures: what it rests on, in words.
      change: what to do about it, a sentence or a command each, the first to try first.
      name: as in the table of docs/troubleshooting.md; a check leaves it to who asks.
    """

    figures: str
    change: Sequence[str]
    name: str = ""


@dataclasses.dataclass(frozen=True)
class Case:
    """A run, as the checks see it.

    Attributes:
      is_training: whether a process is at work in the run's directory.
    """

    run: Run
    is_training: bool = False

    @property
    def is_finished(self) -> bool:
        return self.run.failure is None

    @functools.cached_property
    def facts(self) -> Mapping[str, Any]:
        """``demonstration_facts`` of run.json; empty without demonstrations and in older runs."""
        return self.run.info.get("demonstration_facts") or {}

    def fact(self, name: str) -> float | None:
        return finite_or_none(self.facts.get(name))

    @property
    def factory(self) -> str | None:
        """What made the environment in Python, by its qualified name, where no id did."""
        return self.run.info.get("environment_factory")

    @functools.cached_property
    def settings(self) -> Mapping[str, Any]:
        """The config's bindings: Python values where they are some, else gin's text."""
        return {name: _literal(text) for name, text in self._texts.items()}

    @functools.cached_property
    def _texts(self) -> Mapping[str, str]:
        """The same, as they are written, each on one line."""
        text = re.sub(r"\\?\n[ \t]+", " ", self._gin_config)  # gin goes on in lines that are moved in
        pairs = re.findall(r"^([\w./]+) *= *(.+?)\s*$", text, re.MULTILINE)
        return {name: " ".join(value.split()) for name, value in pairs}

    @property
    def _gin_config(self) -> str:
        return str(self.run.info.get("gin_config") or "")

    def setting(self, name: str, default: float) -> float:
        return value if (value := finite_or_none(self.settings.get(name))) is not None else default

    def raised(self, name: str, wanted: str, default: float) -> list[str]:
        """The binding of a setting to ``wanted``, where it is less; ``default``: of a run that binds none."""
        now = self.setting(name, default)
        return [f"--gin='{name} = {wanted}'  # now {now:g}"] if now < float(wanted) else []

    def lowered(self, name: str, wanted: str, default: float) -> list[str]:
        """The same, where it is more."""
        now = self.setting(name, default)
        return [f"--gin='{name} = {wanted}'  # now {now:g}"] if now > float(wanted) else []

    @property
    def agent(self) -> str:
        """What updates the policy, as gin calls it: PPO, SAC, MGAIL, BehavioralCloning."""
        for name in ("OnPolicyGenerator.agent", "OffPolicyGenerator.agent"):
            if name in self.settings:
                return str(self.settings[name]).lstrip("@")
        bound = {name.split(".")[0] for name in self.settings}
        return next((name for name in ("MGAIL", "BehavioralCloning") if name in bound), "PPO")

    @property
    def sees_screens(self) -> bool:
        return any(name.endswith(".encoder") and value for name, value in self.settings.items())

    @property
    def sees_images(self) -> bool:
        """Whether observations are images, of a game or not; clones of older runs do not say so."""
        return bool(self.facts.get("are_images")) or "border_accuracy" in self.facts

    def trained_by(self, recipe: str) -> str:
        """The flags that train another recipe on this run's task."""
        if self._game is not None:
            return f"--config={recipe}/{self._game}"
        return f"--config={recipe}/any {self.environment_flags}"

    @property
    def _game(self) -> str | None:
        """The shipped task that makes a game's screens, wrappers and all; None of images of one's own."""
        config, _, task = str(self.run.info.get("config_name") or "").split(" ")[0].partition("/")
        is_shipped = config and task not in ("", "any") and not task.endswith(".gin")
        return task if self.sees_screens and is_shipped else None

    @property
    def environment_flags(self) -> str:
        """What makes this run's environment in a command: its id, and what the config binds of it beside."""
        bound = self._texts if self._game is None else {}
        made = {name: bound.get(f"make_environment.{name}", "None") for name in _ARGUMENTS}
        is_known = ":" in self.environment_id or self.environment_id in gym.registry
        lines = self._bindings_of(made["wrappers"], is_imported=not is_known)
        more = {name: value for name, value in made.items() if value not in _UNBOUND}
        lines += [f"make_environment.{name} = {value}" for name, value in more.items()]
        return " ".join([f"--environment={self.environment_id}", *_gin_flags(lines)])

    def _bindings_of(self, functions: str, is_imported: bool = False) -> list[str]:
        """What functions in a binding want: the imports of one's own, and what the config binds of them."""
        names = re.findall(r"@(?:[\w.]+\.)?(\w+)", functions)
        lines = python_calls.own_imports(self._gin_config) if names or is_imported else []
        bound = self._texts.items()
        return lines + [f"{name} = {value}" for name, value in bound if name.partition(".")[0] in names]

    @property
    def inspection(self) -> str:
        """The command that shows its demonstrations; it knows no reader of one's own."""
        file = "SAVED.npz" if self.run.info.get("demonstrations_reader") else self._quoted_demonstrations
        return f"gail-make-demonstrations --inspect={file}"

    @property
    def _quoted_demonstrations(self) -> str:
        """Their path as a shell takes it; of arrays that a program gave the file that they want first."""
        path = str(self.run.info.get("demonstrations"))
        return "SAVED.npz" if path in (ARRAYS, DEMONSTRATIONS) else shlex.quote(path)

    @property
    def data_flags(self) -> str:
        """What gives another training this run's demonstrations, as many and as dense."""
        chosen = {"num_demonstrations": "num_trajectories", "subsample": "subsample"}
        bound = {flag: self.settings.get(f"load_demonstrations.{name}") for flag, name in chosen.items()}
        given = [f"--{flag}={value}" for flag, value in bound.items() if value]
        name = "load_demonstrations.reader"
        reader = self._texts.get(name, "None")
        lines = [*self._bindings_of(reader), f"{name} = {reader}"] if reader != "None" else []
        return " ".join([f"--demonstrations={self._quoted_demonstrations}", *given, *_gin_flags(lines)])

    @property
    def environment_id(self) -> str:
        """What a command calls the environment; it wants what Python made to be registered."""
        return "MODULE:ID" if self.factory else self.run.environment

    @property
    def is_drawn(self) -> bool:
        """Whether its evaluations drew their actions (``Trainer.stochastic``)."""
        return bool(self.run.value("stochastic"))

    def evaluated_by(self, policy: str, num_episodes: int | None = None, drawn: bool = False) -> str:
        """The command that evaluates one of the run's policies, as the run did or with drawn actions."""
        return python_calls.evaluation_command(policy, self.factory, num_episodes, drawn or self.is_drawn)

    @property
    def slower_policy(self) -> str:
        """The binding that makes the policy's steps smaller."""
        for rate in ("learning_rate", "actor_learning_rate", "policy_learning_rate"):
            name = f"{self.agent}.{rate}"
            if name in self.settings:
                now = self.setting(name, 1e-3)
                return f"--gin='{name} = {min(now / 5, 1e-4):.2g}'  # now {now:g}"
        return (
            "--gin='TRPO.max_kl = 0.005'" if self.agent == "TRPO" else f"a smaller {self.agent}.learning_rate"
        )

    @property
    def late_length(self) -> float | None:
        """Mean length of the agent's episodes of late."""
        name = "evaluation/length_mean"
        return self.late_median(name if self.late(name).size else "episode/length")

    @property
    def has_discriminator(self) -> bool:
        return any(name.startswith("Discriminator.") for name in self.settings)

    @property
    def cloning(self) -> list[str]:
        """The overlay that draws the policy to the experts' actions, if the run can have it and has not."""
        can_have = self.agent in ("PPO", "TRPO", "SAC", "TD3", "MGAIL") and self._sees_actions
        can_have &= self.fact("action_range") != 0.0  # zeros, where none were recorded
        return ["--config=with/cloning"] if can_have and not self._is_cloning else []

    @property
    def ignores_actions(self) -> bool:
        """Whether only the experts' states are imitated, as with/state_only has it."""
        return self.has_discriminator and not self._sees_actions and not self._is_cloning

    @property
    def without_actions(self) -> list[str]:
        """The overlays with which only the experts' states are imitated."""
        overlays = f"{'--config=with/no_cloning ' if self._is_cloning else ''}--config=with/state_only"
        return [f"{overlays}  # if no actions were recorded"] if self.has_discriminator else []

    @property
    def _sees_actions(self) -> bool:
        return "action" in self.settings.get("Discriminator.inputs", ())

    @property
    def _is_cloning(self) -> bool:
        return self.setting(f"{self.agent}.cloning_coef", 0.0) > 0

    @property
    def stronger_penalty(self) -> str:
        """The bindings of a gradient penalty of 10, with its term where the loss has none."""
        terms, coef = str(self.settings.get("Discriminator.loss_terms", "")), "gradient_penalty.coef = 10.0"
        if not terms.endswith("]") or "@gradient_penalty" in terms:
            return f"--gin='{coef}'"
        return f"--gin='Discriminator.loss_terms = {terms[:-1]}, @gradient_penalty]' --gin='{coef}'"

    def is_of_use(self, change: str) -> bool:
        """Whether the bindings in ``change`` are of parts that this run has, and any of them is new.

        Those of a whole command are the run's own: they make its environment and read its demonstrations.
        """
        if change.startswith("gail-"):
            return True
        found = re.findall(r"""--gin=(['"])(\w+)\.(\w+) = (.+?)\1""", change)
        bound = [binding for _, *binding in found]
        for part in {part for part, _, _ in bound}:
            has_part = any(name.startswith(f"{part}.") for name in self.settings)
            if part == "gradient_penalty":  # a term of the loss, which nothing need bind
                terms = (str(self.settings.get("Discriminator.loss_terms", "")), change)
                has_part |= any("@gradient_penalty" in term for term in terms)
            if part in _OPTIONAL and not has_part:
                return False
        changes = [self.settings.get(f"{part}.{name}") != _literal(value) for part, name, value in bound]
        return any(changes) or not changes

    @property
    def progress(self) -> float | None:
        """Share of the budget of environment steps; None where that is unknown."""
        steps = finite_or_none(self.run.last.get("env_steps"))
        total = finite_or_none(self.settings.get("Trainer.total_env_steps"))
        return steps / total if steps is not None and total else None

    def values(self, name: str) -> np.ndarray:
        """A metric's finite values in order, ``[N]``."""
        return self.run.series(name, against="iteration")[1]

    def early(self, name: str) -> np.ndarray:
        """The first tenth of its values, at least 3; empty where there are fewer than MIN_VALUES."""
        values = self.values(name)
        return values[: max(3, values.size // 10)] if values.size >= MIN_VALUES else values[:0]

    def late(self, name: str) -> np.ndarray:
        """The last third of its values; empty where there are fewer than MIN_VALUES."""
        values = self.values(name)
        return values[-(values.size // 3) :] if values.size >= MIN_VALUES else values[:0]

    def late_median(self, name: str) -> float | None:
        return float(np.median(late)) if (late := self.late(name)).size else None

    @functools.cached_property
    def scores(self) -> np.ndarray:
        """Normalised returns of the evaluations; returns above the random policy's without an expert's."""
        returns = self.values("evaluation/return_mean")
        random, expert = (self.run.number(f"{who}_return") for who in ("random", "expert"))
        if random is None:
            return returns[:0]
        return (returns - random) / (expert - random if self.run.has_scale else 1.0)

    @property
    def late_scores(self) -> np.ndarray:
        """Those of the last third of the evaluations, of one at least; empty where there is none."""
        return self.scores[-max(1, self.scores.size // 3) :]

    @property
    def score(self) -> float | None:
        """Normalised return of the policy that is kept, before the end of the last evaluation's."""
        if not self.run.has_scale:
            return None
        final = self.run.normalized_return
        return final if final is not None else float(self.scores[-1]) if self.scores.size else None

    @property
    def distance(self) -> float | None:
        """Imitation distance of the policy that is kept, before the end of the last evaluation's."""
        distances = self.values("evaluation/imitation_distance")
        final = self.run.number("imitation_distance")
        return final if final is not None else float(distances[-1]) if distances.size else None

    def nearness(self, distance: Any) -> Any:
        """0 for a random policy's distance, 1 for none; None where a random policy's is not recorded."""
        at_random = self.run.number("random_distance")
        return None if at_random is None else nearness(distance, at_random)

    @property
    def is_near(self) -> bool | None:
        """Whether it is so near to the demonstrations as who imitates; None where no distance tells."""
        # Of screens it is another distance: 0.40 of a random policy's for a Pong with 0.43 of the expert.
        nearness = None if self.distance is None or self.sees_images else self.nearness(self.distance)
        return None if nearness is None else nearness >= 1.0 - GOOD_DISTANCE

    @property
    def unknown(self) -> str | None:
        """Why nothing tells whether it is good, where there is reason to ask; else None."""
        if self.is_good is not None:
            return None
        if self.distance is None:
            found, at_random = self.run.number("return_mean"), self.run.number("random_return")
            if None in (found, at_random) or found > at_random:
                return None
            return f"no expert's return is known, but {found:.4g} is not above random play's {at_random:.4g}"
        at_random = self.run.number("random_distance")
        missing = "its distance is of images" if at_random is not None else "no random policy's distance"
        return f"whether it imitates is not known: no expert's return, and {missing}"

    @functools.cached_property
    def doubt(self) -> str | None:
        """Why a finished run's score says little; None where nothing speaks against it."""
        if not self.is_finished or self.score is None:
            return None
        expert, random = (self.run.number(f"{who}_return") for who in ("expert", "random"))
        spread = self.fact("return_std")
        share = None if self.distance is None else self.nearness(self.distance)
        return small_scale(expert, random, spread) or doubt(self.score, share)

    @property
    def is_good(self) -> bool | None:
        """Whether it imitates, by the score if nothing speaks against that; None where nothing tells."""
        if self.score is not None and not self.doubt:
            return self.score >= GOOD_SCORE
        return self.is_near

    @property
    def is_poor(self) -> bool:
        """Whether it had its time, and does not imitate."""
        had_time = self.is_finished or (self.progress or 0.0) >= EARLIEST
        return had_time and self.is_good is False

    @property
    def standing(self) -> str:
        """How good it is, in a few words; empty where nothing tells."""
        known = []
        if self.score is not None:
            last = self.run.last_normalized_return
            beside = f" (the last policy {last:.2f})" if last is not None and last - self.score > FAR else ""
            known.append(f"{self.score:.2f} of the expert{beside}")
        if self.distance is not None:
            at_random = self.run.number("random_distance")
            beside = "" if at_random is None else f" (random policy {at_random:.2f})"
            known.append(f"imitation distance {self.distance:.2f}{beside}")
        return ", ".join(known)


def free_folder(path: str) -> str:
    """``path`` where nothing is, else with the first number that is free: what may stand in a command."""
    numbered = (f"{path}_{number}" for number in itertools.count(2))
    return next(one for one in itertools.chain([path], numbered) if not os.path.exists(one))


def _gin_flags(lines: Sequence[str]) -> list[str]:
    return [f"--gin={python_calls.quoted(line)}" for line in lines]


def _literal(value: str) -> Any:
    """A Python value where it is some, else gin's text."""
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value
