"""The book of a search: Optuna's journal in its folder, which says what was asked for, drawn and found."""

import contextlib
import copy
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gail_tf.errors import UserError, error_message
from gail_tf.lease import Lease
from gail_tf.machine import pip_install
from gail_tf.studies import preflight
from gail_tf.studies.settings_match import own_settings
from gail_tf.studies.study import Task, check_inputs, digest_of, require_free
from gail_tf.studies.tune import Tune

JOURNAL = "optuna.journal"
LABEL, RUNS, REFUSED = "label", "runs", "refused"  # what the book keeps of a trial beside its values
_NAME = "gail-tune"
_FILES = "gin files"  # what the book keeps of those of one's own


@contextlib.contextmanager
def open_book(
    tune: Tune, out: Path, demonstrations: str | None = None, bindings: Sequence[str] = ()
) -> Iterator[Any]:
    """The Optuna study in ``out``, made or taken up again; inside, no other process searches there.

    Args:
      demonstrations, bindings: as ``Study.runs`` takes them.

    Raises:
      UserError: Optuna or an input is missing, the folder holds a search of other settings or
        demonstrations, another process searches there, or, inside, Optuna cannot write its journal.
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
        yield _begun_or_found(tune, wanted, out)
    except OSError as e:
        if e.filename is not None:
            raise
        what = f"{out / JOURNAL}: cannot be written ({e.strerror or e})"  # a full disk's error names no file
        raise UserError(f"{what}: free some space, then the same command goes on.") from e
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
    return trial.state.name == "FAIL" and not trial.user_attrs.get(REFUSED)


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
    return trial.user_attrs[LABEL]


def costs_of(trial: Any) -> dict[str, float]:
    """``<task>/<seed>`` -> cost, of the runs that count so far; infinite where a NaN stopped it."""
    return trial.user_attrs.get(RUNS, {})
