"""The search itself: what Optuna's book says, which run comes next, which trial gets no more seeds."""

import contextlib
import copy
import dataclasses
import math
import numbers
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gail_tf.errors import UserError, error_message
from gail_tf.lease import Lease
from gail_tf.machine import pip_install, tell
from gail_tf.reporting.runs import read_object
from gail_tf.studies import preflight, runner
from gail_tf.studies.engine import Engine
from gail_tf.studies.settings_match import own_settings
from gail_tf.studies.study import StudyRun, Task, check_inputs, digest_of, require_free
from gail_tf.studies.tune import Tune

JOURNAL = "optuna.journal"
_NAME = "gail-tune"
_FILES = "gin files"  # what the book keeps of those of one's own
_LABEL, _RUNS, _REFUSED = "label", "runs", "refused"  # what the book keeps of a trial beside its values


def open_book(tune: Tune, out: Path, demonstrations: str | None = None, bindings: Sequence[str] = ()) -> Any:
    """The Optuna study in ``out``, made or taken up again.

    Args:
      demonstrations, bindings: as ``Study.runs`` takes them.

    Raises:
      UserError: Optuna or an input is missing, or the folder holds a search of other settings or
        demonstrations.
    """
    try:
        import optuna
    except ImportError as e:
        raise UserError(f"gail-tune needs Optuna: {pip_install('gail_tf[tune]')}") from e
    tasks = [Task(name, **fields) for name, fields in tune.tasks.items()]
    require_free("Tune.space", tune.space, tasks, bindings)
    runs = tune.runs("check", {}, demonstrations, bindings)
    check_inputs(runs)  # before they are taken down for what is searched on
    if not (out / JOURNAL).exists():
        _require_taken(tune, bindings)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    wanted = tune.settings()
    wanted |= {"--gin": list(bindings)} if bindings else {}
    wanted["demonstrations"] = sorted({digest_of(run.demonstrations) for run in runs} - {None})
    configs = dict.fromkeys(name for run in runs for name in run.given("config"))
    wanted[_FILES] = own_settings([*configs])
    out.mkdir(parents=True, exist_ok=True)
    lease = Lease(out)
    lease.take()  # two commands that begin a search at once would both write how it begins
    try:
        return _begun_or_found(tune, wanted, out)
    finally:
        lease.release()


def _begun_or_found(tune: Tune, wanted: Mapping[str, Any], out: Path) -> Any:
    """The book in ``out``, which this process holds, of the settings ``wanted``; raises as ``open_book``."""
    import optuna

    journal, factor = optuna.storages.journal, tune.reduction_factor
    _cut_half_line(out / JOURNAL)
    file = str(out / JOURNAL)
    # A lock by a file that is made, not by a link: not every file system has links.
    backend = journal.JournalFileBackend(file, lock_obj=journal.JournalFileOpenLock(file))
    pruner = _halving(factor) if factor else optuna.pruners.NopPruner()
    try:
        storage = optuna.storages.JournalStorage(backend)
        book = optuna.create_study(study_name=_NAME, storage=storage, pruner=pruner, load_if_exists=True)
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as e:  # it checks no line
        # A search that begins anew there would draw other settings for runs that are there already.
        advice = "put back a copy, or choose another --out"
        raise UserError(f"{file}: is damaged, or none of Optuna's ({error_message(e)}): {advice}.") from e
    # With the same seed a search that goes on would draw again what it drew at first.
    seed_words = (tune.sampler_seed, len(book.get_trials(deepcopy=False)))
    book.sampler = optuna.samplers.TPESampler(seed=_seed_of(seed_words), constant_liar=True)
    recorded_settings = book.user_attrs.get("settings")
    if recorded_settings is None:
        for values in tune.first:
            book.enqueue_trial(values, skip_if_exists=True)
        book.set_user_attr("settings", wanted)
    else:
        _require_same(recorded_settings, wanted, out)
    return book


@contextlib.contextmanager
def writing_book(out: Path) -> Iterator[None]:
    """Raises UserError where Optuna cannot write its journal: a full disk's error names no file."""
    try:
        yield
    except OSError as e:
        if e.filename is not None:
            raise
        what = f"{out / JOURNAL}: cannot be written ({e.strerror or e})"
        raise UserError(f"{what}: free some space, then the same command goes on.") from e


def _cut_half_line(file: Path) -> None:
    """Takes away a last line that a full disk left half written.

    Optuna would write its next line behind it, and could read neither. What the line said is done again.
    """
    if file.exists() and not (text := file.read_bytes()).endswith(b"\n"):
        os.truncate(file, text.rfind(b"\n") + 1)


def _halving(factor: int) -> Any:
    """Successive halving among the trials that count: one that was cut short has a copy that goes on."""
    import optuna

    class Halving(optuna.pruners.SuccessiveHalvingPruner):
        def prune(self, study: Any, trial: Any) -> bool:
            counting = copy.copy(study)
            counting.get_trials = lambda **given: [t for t in study.get_trials(**given) if not _is_dead(t)]
            return super().prune(counting, trial)

    return Halving(min_resource=1, reduction_factor=factor)


def _is_dead(trial: Any) -> bool:
    """Whether it was given up for its copy (``_take_up``)."""
    return trial.state.name == "FAIL" and not trial.user_attrs.get(_REFUSED)


def _require_same(found: Mapping[str, Any], wanted: Mapping[str, Any], out: Path) -> None:
    """Raises UserError where the book in ``out`` was begun with ``found``, other settings than ``wanted``."""
    # An older book does not say all of these.
    later = ["reduction_factor", "sampler_seed", _FILES]
    later += ["demonstrations", "--gin"] if "demonstrations" not in found else []
    found = {name: wanted[name] for name in later if name in wanted} | found
    for name in sorted({*wanted, *found}):
        had, asked = found.get(name), wanted.get(name)
        if had != asked:
            if isinstance(had, Mapping) and isinstance(asked, Mapping):  # what is alike in both tells nothing
                pairs = (had, asked), (asked, had)
                had, asked = ({k: a[k] for k in a if a[k] != b.get(k)} for a, b in pairs)
            difference = f"there: {had}; asked for: {asked}"
            raise UserError(f"{out} holds a search with other {name} ({difference}): choose another --out.")


def _require_taken(tune: Tune, bindings: Sequence[str]) -> None:
    """Raises UserError where gail-train would refuse every trial, or all with one end or choice."""
    plain = tune.runs("plain", {}, None, bindings)[: len(tune.tasks)]  # other seeds are alike
    runs = []
    for i in range(max(len(one.given) for one in tune.space.values())):
        values = {name: one.given[i % len(one.given)] for name, one in tune.space.items()}
        runs += tune.runs("check", values, None, bindings)[: len(tune.tasks)]
    refusals = preflight.refusals([*plain, *runs])
    for refused in (refusals[run.name] for run in plain if run.name in refusals):
        advice = "mend Tune.configs, Tune.bindings, Tune.tasks or --gin"
        raise UserError(f"gail-train refuses what all trials would have ({refused}): {advice}.")
    for refused in refusals.values():
        advice = "mend Tune.space"
        if "import its_module" in refused:  # what the search's own file imports runs do not know
            advice += ", or give runs Tune.bindings = ['import its_module']"
        raise UserError(f"gail-train refuses what Tune would draw ({refused}): {advice}.")


def _seed_of(words: Sequence[int]) -> int:
    return int(np.random.SeedSequence(words).generate_state(1)[0])


def ended_trials(book: Any) -> list[Any]:
    """Those that count: complete, stopped early, or refused by gail-train; as Optuna's FrozenTrial."""
    from optuna.trial import TrialState

    trials = book.get_trials(states=[TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL])
    return [t for t in trials if not _is_dead(t)]


def label_of(trial: Any) -> str:
    return trial.user_attrs[_LABEL]


def costs_of(trial: Any) -> dict[str, float]:
    """``<task>/<seed>`` -> cost, of the runs that count so far; infinite where a NaN stopped it."""
    return trial.user_attrs.get(_RUNS, {})


def _known_of(trial: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Settings, those too that were asked for and not yet drawn, and the label, as far as the book has it."""
    attributes = {name: value for name, value in trial.user_attrs.items() if name == _LABEL}
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}, attributes


@dataclasses.dataclass(eq=False)
class _Trial:
    """A trial under way.

    Attributes:
      of: Optuna's Trial. rungs: its runs, a list a seed. rung: the seed that it is at.
      waiting, running: runs of this seed that have not begun, and that have not ended.
      is_broken: whether a run did not end; the next command goes on with it.
    """

    of: Any
    rungs: list[list[StudyRun]]
    rung: int = 0
    waiting: list[StudyRun] = dataclasses.field(default_factory=list)
    running: int = 0
    is_broken: bool = False


class Search:
    """A source of runs (``runner.drive``): trial by trial, seed by seed; who falls behind gets no more seeds.

    Args:
      at_a_time: trials under way at the same time.
    """

    def __init__(
        self,
        tune: Tune,
        book: Any,
        out: Path,
        at_a_time: int,
        demonstrations: str | None,
        bindings: Sequence[str],
    ):
        self._tune, self._book, self._out, self._at_a_time = tune, book, out, at_a_time
        self._given = demonstrations, bindings
        self._distributions = {name: one.distribution() for name, one in tune.space.items()}
        self._active: list[_Trial] = []
        self._of_run: dict[str, _Trial] = {}
        self.num_broken, self.num_refused, self._is_looked_at = 0, 0, False
        self._take_up()

    def _take_up(self) -> None:
        """Trials that a process left behind begin again under their labels: their runs are there still.

        A kill may have hit it as well: before a trial's settings and label were down, or between these lines.
        """
        from optuna.trial import TrialState

        copies = [_known_of(copied) for copied in self._book.get_trials(states=[TrialState.WAITING])]
        for trial in self._book.get_trials(states=[TrialState.RUNNING]):
            params, attributes = known = _known_of(trial)
            if set(params) == set(self._distributions) and known not in copies:
                self._book.enqueue_trial(params, user_attrs=attributes)
            self._book.tell(trial.number, state=TrialState.FAIL)

    def next(self) -> StudyRun | None:
        while True:
            for trial in self._active:
                if trial.waiting:
                    run = trial.waiting.pop(0)
                    trial.running += 1
                    self._of_run[run.name] = trial
                    return run
            num_counted = len(ended_trials(self._book)) + len(self._active) + self.num_broken
            if len(self._active) >= self._at_a_time or num_counted >= self._tune.num_trials:
                return None
            self._begin()

    def _begin(self) -> None:
        trial = self._book.ask(self._distributions)
        label = trial.user_attrs.get(_LABEL) or f"trial {trial.number}"
        trial.set_user_attr(_LABEL, label)
        runs, size = self._tune.runs(label, trial.params, *self._given), len(self._tune.tasks)
        begun = _Trial(trial, [runs[i : i + size] for i in range(0, len(runs), size)])
        self._active.append(begun)
        self._advance(begun)

    def ended(self, run: StudyRun, ending: str) -> int:
        from optuna.trial import TrialState

        trial = self._of_run.pop(run.name)
        trial.running -= 1
        # Removed, or written by another machine and not seen here yet: trained at once, it might be for ever.
        if ending == runner.FINISHED and runner.state(run, self._out) == runner.RESUME:
            what = f"{self._out / run.name} is finished, and its summary.json is not there"
            raise UserError(f"{what}: the same command goes on.")
        if ending == runner.FINISHED and not self._is_looked_at:
            self._is_looked_at = True
            if unused := runner.unused_settings(self._tune.space, self._out / run.name):
                tell(f"warning: {unused_line(unused)}", 2)
        if ending not in (runner.FINISHED, runner.DIVERGED):
            trial.waiting, trial.is_broken = [], True
        if ending == runner.REFUSED and _REFUSED not in trial.of.user_attrs:
            trial.of.set_user_attr(_REFUSED, run.name)
        if trial.running or trial.waiting:
            return 0
        if not trial.is_broken:
            return self._advance(trial)
        self._active.remove(trial)
        if _REFUSED in trial.of.user_attrs:
            self.num_refused += 1
            self._book.tell(trial.of, state=TrialState.FAIL)
            return 1
        self.num_broken += 1
        return 0

    def _advance(self, trial: _Trial) -> int:
        """To the first seed with runs to train, or to the trial's end; whether it ended, as 0 or 1."""
        from optuna.trial import TrialState

        while True:
            runs = trial.rungs[trial.rung]
            states = {run: runner.state(run, self._out) for run in runs}
            trial.waiting = [r for r in runs if states[r] not in (runner.FINISHED, runner.DIVERGED)]
            if trial.waiting:
                return 0
            costs = {**costs_of(trial.of), **{_place(run): self._cost(run, states[run]) for run in runs}}
            trial.of.set_user_attr(_RUNS, costs)
            worst = max(costs.values())
            trial.rung += 1
            trial.of.report(worst, trial.rung)
            is_last = trial.rung == len(trial.rungs)
            if math.isinf(worst) or not is_last and trial.of.should_prune():
                self._book.tell(trial.of, state=TrialState.PRUNED)
            elif is_last:
                self._book.tell(trial.of, worst)
            else:
                continue
            self._active.remove(trial)
            return 1

    def _cost(self, run: StudyRun, state: str) -> float:
        if state == runner.DIVERGED:
            return math.inf
        aim = getattr(self._tune.aim, "__name__", "Tune.aim")
        summary = read_object(self._out / run.name / "summary.json")
        try:
            cost = self._tune.aim(summary)
        except Exception as e:  # it may be anybody's code
            what = f"Tune.aim = @{aim} fails on the summary.json of {self._out / run.name}"
            raise UserError(f"{what} ({error_message(e)}): mend it; the trained runs stay.") from e
        if cost is not None and not isinstance(cost, numbers.Real):
            what = f"Tune.aim = @{aim} returns {cost!r} for {self._out / run.name}"
            raise UserError(f"{what}: want a number, less being better, or None where it cannot say.")
        if cost is None or not math.isfinite(cost):
            what = f"{self._out / run.name}: its summary.json has nothing for {aim}"
            raise UserError(f"{what}: bind another one, such as Tune.aim = @lost_return.")
        return float(cost)


def unused_line(names: Sequence[str]) -> str:
    advice = "nothing in this recipe uses it, so its values do nothing; take it out of Tune.space."
    return f"{', '.join(names)}: {advice}"


def _place(run: StudyRun) -> str:
    return run.name.partition("/")[2]


class Found(NamedTuple):
    """What came of a search so far.

    Attributes:
      num_ended, num_trials: how many trials ended, and are wanted.
      num_broken: trials that another command goes on with, since a run of theirs failed or was stopped.
      num_refused: trials of this command whose settings gail-train does not take.
      stopped: whether a person stopped it before all had ended.
    """

    num_ended: int
    num_trials: int
    num_broken: int
    num_refused: int
    stopped: bool

    @property
    def exit_code(self) -> int:
        return runner.exit_code_of(self.stopped, self.num_refused, self.num_broken)

    def summary(self) -> str:
        others = {
            f"{self.num_refused} refused (mend Tune.space)": self.num_refused,
            f"{self.num_broken} cut short (the same command goes on)": self.num_broken,
        }
        return ", ".join([f"{self.num_ended} of {self.num_trials} trials ended", *filter(others.get, others)])


def run_search(
    tune: Tune, engine: Engine, out: Path, book: Any, at_a_time: int = 4, demonstrations=None, bindings=()
) -> Found:
    """Trains trials until as many as wanted have ended; prints a line about each run.

    Args:
      out: its folder, which only one process searches in. book: of ``open_book``.
      at_a_time: trials under way at the same time. demonstrations, bindings: as ``Study.runs`` takes them.

    Raises:
      UserError: another process searches there.
    """
    lease = Lease(out)
    lease.take()
    try:
        search = Search(tune, book, out, at_a_time, demonstrations, bindings)
        done = len(ended_trials(book))
        total = max(tune.num_trials, done)  # fewer may be asked for than there are
        headline = f"{total} trials, {total - done} to do, {engine.says}, into {out}"
        was_told = runner.drive(search, engine, out, headline, total, done, "trial")
    finally:
        lease.release()
    ended = len(ended_trials(book))
    return Found(ended, total, search.num_broken, search.num_refused, was_told and ended < total)
