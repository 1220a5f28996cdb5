"""The training loop around a generator that only counts: which policy is kept, and what is announced."""

import contextlib
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from gail_tf.errors import UserError
from gail_tf.training.diagnostics import DivergedError
from gail_tf.training.evaluation import Evaluation
from gail_tf.training.run_directory import RunDirectory
from gail_tf.training.trackers import TensorBoard
from gail_tf.training.trainer import Interrupted, Trainer, filling_notes

DISTANCES = {1: 0.5, 2: 0.1, 3: 0.3, 4: 0.2}
RETURNS = {1: 0.0, 2: 5.0, 3: 9.0, 4: 6.0}


class Policy(tf.Module):
    """Acts with the number of the iteration that it comes from."""

    def __init__(self):
        super().__init__()
        self.iteration = tf.Variable(0.0)

    def deterministic(self, observation):
        return self.iteration.read_value()


class Counts(tf.Module):
    steps_before_learning, notes = 0, ()

    def __init__(self):
        super().__init__()
        self.policy = Policy()

    def collect(self, iteration):
        return 10, []

    def update(self, iteration, progress):
        self.policy.iteration.assign(iteration + 1.0)
        return {}

    def prepare(self):
        return ()

    def is_finished(self):
        return False

    def finish(self):
        pass

    def state(self):
        return {}

    def restore(self, state):
        pass


class Looks:
    """An evaluator whose episodes say which policy acted in them."""

    def evaluate(self, act, num_episodes, seed, watch, seen=None):
        iteration = int(act(None, 0))
        if watch is not None:
            watch({"iteration": iteration})
        return Evaluation(np.full(num_episodes, RETURNS[iteration]), np.ones(num_episodes))


def _distance(episodes):
    return DISTANCES[episodes[0]["iteration"]]


def make(
    tmp_path,
    keep="imitation_distance",
    has_distance=True,
    generator=None,
    evaluator=None,
    distance=_distance,
    **options,
):
    options |= {"total_env_steps": 40, "num_evaluations": 4, "checkpoint_interval": 1}
    distance = distance if has_distance else None
    run_dir = RunDirectory(tmp_path)
    return Trainer(
        generator or Counts(),
        None,
        run_dir,
        evaluator or Looks(),
        lambda mean: mean / 10.0,
        keep=keep,
        distance=distance,
        **options,
    )


@pytest.mark.parametrize(
    "options, iteration",
    [
        ({}, 2),
        ({"keep": "last"}, 4),
        ({"keep": "best_return"}, 3),
        ({"has_distance": False}, 4),
        ({"keep": "best_return", "has_distance": False}, 3),
    ],
)
@pytest.mark.parametrize("is_interrupted", [False, True])
def test_which_policy_is_kept(options, iteration, is_interrupted, tmp_path):
    trainer = make(tmp_path, **options)
    if is_interrupted:
        with pytest.raises(Interrupted):
            trainer.run(should_stop=lambda: trainer.iteration == 3)
        trainer = make(tmp_path, **options)
        trainer.resume()
    result = trainer.run()
    assert result["return_mean"] == RETURNS[iteration] and result["kept_env_steps"] == 10 * iteration
    assert result["last_return_mean"] == RETURNS[4] and result["last_normalized_return"] == RETURNS[4] / 10
    assert result["keep"] == (
        "last" if options == {"has_distance": False} else options.get("keep", "imitation_distance")
    )
    assert ("imitation_distance" in result) == options.get("has_distance", True)
    if options.get("has_distance", True):
        assert result["imitation_distance"] == DISTANCES[iteration]
    assert not result["stochastic"]


class Falls(Looks):
    """The second policy, the nearest, falls sooner than the last one."""

    def __init__(self, length):
        self.lengths = {2: length}

    def evaluate(self, act, num_episodes, seed, watch, seen=None):
        found = super().evaluate(act, num_episodes, seed, watch, seen)
        return found._replace(lengths=np.full(num_episodes, self.lengths.get(int(act(None, 0)), 100)))


class Distance:
    def __init__(self, expert_stays):
        self.expert_stays = expert_stays

    def __call__(self, episodes):
        return _distance(episodes)


@pytest.mark.parametrize("length, expert_stays, iteration", [(74, True, 4), (75, True, 2), (74, False, 2)])
def test_a_nearest_policy_that_falls_far_sooner_than_the_last_is_not_kept(
    length, expert_stays, iteration, tmp_path
):
    """Unless the expert's episodes end too."""
    trainer = make(tmp_path, evaluator=Falls(length), distance=Distance(expert_stays))
    assert trainer.run()["kept_env_steps"] == 10 * iteration


class Warms(Counts):
    """Prepares itself in three steps, and knows how often it was asked to."""

    def prepare(self):
        for step in (1, 2, 3):
            yield step / 3, {"cloning/train_loss": 1.0 / step}


def test_it_stops_within_a_preparation_and_begins_anew(tmp_path):
    trainer, told = make(tmp_path, generator=Warms()), []
    with pytest.raises(Interrupted):
        trainer.run(should_stop=lambda: len(told) == 2, preparing=lambda *step: told.append(step))
    assert told == [(1 / 3, {"cloning/train_loss": 1.0}), (2 / 3, {"cloning/train_loss": 0.5})]
    assert trainer.env_steps == 0
    trainer = make(tmp_path, generator=Warms())
    assert trainer.resume() == ["There is no checkpoint yet: starting from the beginning."]
    told.clear()
    result = trainer.run(preparing=lambda *step: told.append(step))
    assert len(told) == 3 and result["env_steps"] == 40
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["cloning/train_loss"] for line in lines if "cloning/train_loss" in line] == [1 / 3]


class Draws(Policy):
    """Notes the seeds that it is asked with, and has no mode."""

    def __init__(self):
        super().__init__()
        self.seeds = []

    def deterministic(self, observation):
        raise AssertionError("asked for its mode")

    def sampled(self, observation, seed):
        self.seeds.append(seed.tolist())
        return self.iteration.read_value()


@pytest.mark.parametrize("keep, iteration", [("imitation_distance", 2), ("last", 4)])
def test_stochastic_evaluations_draw_all_their_actions_by_their_own_seeds(keep, iteration, tmp_path):
    generator, asked = Counts(), []
    generator.policy = Draws()

    class Asks(Looks):
        def evaluate(self, act, num_episodes, seed, *others):
            asked.append([seed, 0])
            return super().evaluate(act, num_episodes, seed, *others)

    result = make(tmp_path, keep, generator=generator, evaluator=Asks(), stochastic=True).run()
    assert result["stochastic"] and result["return_mean"] == RETURNS[iteration]
    assert generator.policy.seeds == asked and len({seed for seed, _ in asked}) > 1


@pytest.mark.parametrize(
    "saving, weight, iterations",
    [(1.0, 0.0, [0, 2, 4]), (4.0, 0.0, [0, 3, 4]), (1.0, np.nan, [0])],
    ids=["quick", "slow", "diverged"],
)
def test_a_kill_undoes_two_minutes_at_most_where_saving_is_quick(
    saving, weight, iterations, tmp_path, monkeypatch
):
    seconds, saved = [0.0], []
    monkeypatch.setattr("gail_tf.training.trainer.time.perf_counter", lambda: seconds[0])

    class Collects(Counts):
        def __init__(self):
            super().__init__()
            self.weight = tf.Variable(0.0)

        def collect(self, iteration):
            seconds[0] += 70.0
            self.weight.assign(weight)
            return super().collect(iteration)

        def state(self):
            seconds[0] += saving
            return {}

    trainer = make(tmp_path, generator=Collects())
    trainer._checkpoint_interval = 100
    save = trainer._checkpoints.save
    monkeypatch.setattr(trainer._checkpoints, "save", lambda *args: saved.append(args[0]) or save(*args))
    with pytest.raises(DivergedError) if np.isnan(weight) else contextlib.nullcontext():
        trainer.run()
    assert saved == iterations


@pytest.mark.parametrize("is_interrupted", [False, True])
def test_the_time_of_the_evaluations_that_choose_is_counted(is_interrupted, tmp_path, monkeypatch):
    seconds = [0.0]
    monkeypatch.setattr("gail_tf.training.trainer.time.perf_counter", lambda: seconds[0])

    class Slow(Looks):
        def evaluate(self, act, num_episodes, *rest):
            seconds[0] += num_episodes
            return super().evaluate(act, num_episodes, *rest)

    class Collects(Counts):
        def collect(self, iteration):
            seconds[0] += 100.0
            return super().collect(iteration)

    trainer = make(tmp_path, generator=Collects(), evaluator=Slow())
    if is_interrupted:
        with pytest.raises(Interrupted):
            trainer.run(should_stop=lambda: trainer.iteration == 3)
        trainer = make(tmp_path, generator=Collects(), evaluator=Slow())
        trainer.resume()
    # Four evaluations of five episodes; then the best two before the last one, and that, ten each.
    assert trainer.run()["evaluation_seconds"] == 4 * 5 + 3 * 10 + 2 * 30


def test_the_kept_policy_is_lent_and_given_back(tmp_path):
    generator = Counts()
    trainer, policy = make(tmp_path, generator=generator), generator.policy
    trainer.run()
    assert policy.iteration == 4.0
    with trainer.selection.kept_policy:
        assert policy.iteration == 2.0
    assert policy.iteration == 4.0


def test_a_run_without_environment_steps_keeps_the_nearest_too(tmp_path):
    class Clones(Counts):
        def collect(self, iteration):
            return 0, []

    trainer = Trainer(
        Clones(),
        None,
        RunDirectory(tmp_path),
        Looks(),
        lambda mean: mean / 10.0,
        total_env_steps=None,
        total_iterations=4,
        num_evaluations=4,
        distance=lambda episodes: DISTANCES[episodes[0]["iteration"]],
    )
    result = trainer.run()
    assert result["return_mean"] == RETURNS[2] and result["imitation_distance"] == DISTANCES[2]


def test_a_negative_evaluation_seed_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(ValueError, match="Trainer.evaluation_seed is -1: want 0 or more"):
        make(tmp_path, evaluation_seed=-1)


def test_what_to_keep_is_checked(tmp_path):
    with pytest.raises(ValueError, match="Trainer.keep is 'first': want one of 'imitation_distance', 'last'"):
        make(tmp_path, keep="first")


@pytest.mark.parametrize(
    ("filling", "unchanged", "total", "said"),
    [
        (0, 0, 1_000, None),
        (1_000, 1_000, 20_000, None),
        (50_000, 60_000, None, None),
        (1_001, 900, 20_000, "The first 1,001 steps only fill the replay: nothing"),
        (1_000, 2_000, 1_000, "Trainer.total_env_steps is 1,000: next to nothing"),
        (1_000, 2_000, 20_000, "In the first 2,000 steps only the critic learns"),
        (1_000, 20_000, 20_000, "The policy first changes after 20,000 steps (the actor waits"),
    ],
)
def test_a_long_filling_of_the_replay_is_announced(filling, unchanged, total, said):
    notes = filling_notes(filling, unchanged, total, num_evaluations=20)
    assert (said in notes[0] and len(notes) == 1) if said else notes == []


@pytest.mark.parametrize("ends_after, kept", [(4, 20), (3, 10)])
def test_the_candidates_meet_again_over_more_episodes(ends_after, kept, tmp_path):
    """Over 5 episodes later policies look better, over 10 earlier ones.

    Where a hook ends the run the last policy was evaluated already, and is one of the three all the same.
    """
    asked = []

    class MoreEpisodesTellMore(Looks):
        def evaluate(self, act, num_episodes, seed, watch, seen=None):
            asked.append((num_episodes, seed))
            evaluated = super().evaluate(act, num_episodes, seed, watch, seen)
            iteration = int(act(None, 0))
            returns = {5: iteration, 10: -iteration, 30: -iteration, 20: 7}[num_episodes]
            return evaluated._replace(returns=np.full(num_episodes, returns))

    trainer = make(tmp_path, keep="best_return", evaluator=MoreEpisodesTellMore())
    result = trainer.run([lambda trainer, metrics, is_logged: trainer.iteration == ends_after])
    assert result["kept_env_steps"] == kept  # of the three that are remembered, 2, 3 and 4, or 1, 2 and 3
    in_training, finally_ = ({seed for n, seed in asked if (n == 20) is final} for final in (False, True))
    assert min(in_training) >= max(finally_) + 1_000  # no episode chooses and judges
    chose, confirmed = ({seed for n, seed in asked if n == count} for count in (10, 30))
    assert min(confirmed) >= max(chose) + 1_000  # nor confirms what it chose


@pytest.mark.parametrize(("distance", "kept"), [(1.0, 40), (1.01, 20)])
def test_who_beats_the_last_policy_has_to_do_it_again(distance, kept, tmp_path):
    """Of ten episodes the last policy falls in one; over thirty others it is ``distance`` times as far."""
    lengths = []

    class Counting(Looks):
        def evaluate(self, act, num_episodes, *rest, **more):
            lengths.append(num_episodes)
            return super().evaluate(act, num_episodes, *rest, **more)

    def distance_of(episodes):
        iteration = episodes[0]["iteration"]
        return {1: 1.1, 2: 1.0, 3: 1.1, 4: distance if lengths[-1] == 30 else 3.0}[iteration]

    result = make(tmp_path, distance=distance_of, evaluator=Counting()).run()
    assert result["kept_env_steps"] == kept
    assert lengths.count(30) == 2


def test_of_equal_candidates_the_later_is_kept(tmp_path):
    result = make(tmp_path, distance=lambda episodes: 0.5).run()
    assert result["kept_env_steps"] == 40


@pytest.mark.parametrize(("distance", "kept"), [(1.19, 40), (1.21, 20)])
def test_the_last_policy_is_kept_where_it_is_about_as_near(distance, kept, tmp_path):
    """Though three others were nearer, so that it is none of the candidates."""
    distances = {1: 1.1, 2: 1.0, 3: 1.1, 4: distance}
    result = make(tmp_path, distance=lambda episodes: distances[episodes[0]["iteration"]]).run()
    assert result["kept_env_steps"] == kept


def test_a_run_whose_directory_is_removed_makes_no_checkpoint_there(tmp_path):
    run_dir = RunDirectory(tmp_path / "run")
    run_dir.create({"status": "running"}, "# gin\n", False)
    times = {"total_env_steps": 40, "num_evaluations": 4, "checkpoint_interval": 1}
    trainer = Trainer(
        Counts(), None, run_dir, Looks(), lambda mean: mean, distance=None, keep="last", **times
    )
    shutil.rmtree(run_dir.path)
    with pytest.raises(UserError, match="moved or removed"):
        trainer.checkpoint()
    run_dir.unlock()
    assert not run_dir.path.exists()


@pytest.mark.parametrize("stops", [UserError("the motor is broken"), DivergedError("a NaN")])
def test_a_full_disk_hides_nothing_that_stops_a_run(stops, tmp_path, monkeypatch):
    class Broken(Counts):
        def collect(self, iteration):
            monkeypatch.setattr(TensorBoard, "finish", no_space)
            raise stops

    def no_space(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "a file; No space left on device")

    with pytest.raises(type(stops), match=str(stops)):
        make(tmp_path, generator=Broken()).run()
