"""The pages: links and anchors lead somewhere, and the parts that own_parts.md shows run as they stand."""

import csv
import re
import shlex
import sys
import types
from pathlib import Path

import gin
import numpy as np
import pytest
import tensorflow as tf

from gail_tf.agents.ppo import PPO
from gail_tf.discriminators.discriminator import Discriminator
from gail_tf.discriminators.losses import DiscriminatorBatch
from gail_tf.environments.make import make_environment
from gail_tf.networks.mlp import make_actor_network, make_value_network
from gail_tf.types import OnPolicyBatch, Transition

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
MAX_README_WORDS, MAX_PART_LINES = 900, 40


def without_code(text):
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", lambda match: match[0].replace("[", "(").replace("]", ")"), text)


def anchors(page):
    """What GitHub calls the page's headings: small letters, spaces as dashes, most other signs left out."""
    headings = re.findall(r"^#+ +(.+)$", without_code(page.read_text()), re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


def broken_links(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
        path, _, anchor = target.partition("#")
        if re.match(r"\w+:", target):
            continue
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (anchor and anchor not in anchors(found)):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_anchors_lead_somewhere(page):
    assert not list(broken_links(page))


def test_a_link_to_nowhere_is_seen(tmp_path):
    page = tmp_path / "page.md"
    shown = "`[d](e)`\n```\n[f](g)\n```\n"
    page.write_text("# One & two\n[a](#one--two) [b](page.md#three) [c](none.md) " + shown)
    assert list(broken_links(page)) == ["page.md#three", "none.md"]


def test_every_page_is_reached_from_the_readme():
    seen, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        seen.add(page)
        targets = re.findall(r"\]\(([^)#\s]+\.md)", without_code(page.read_text()))
        todo += [p for p in {(page.parent / t).resolve() for t in targets} if p not in seen and p in PAGES]
    assert {p for p in PAGES if p.parent == ROOT / "docs"} <= seen


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().split()) < MAX_README_WORDS


RESULTS = sorted((ROOT / "docs" / "results").rglob("commands.csv"))


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.parent.name)
def test_recorded_commands_paste_and_belong_to_recorded_results(path):
    commands, results = (
        list(csv.DictReader(file.read_text().splitlines())) for file in (path, path.with_name("results.csv"))
    )
    for row in commands:
        program, *words = shlex.split(row["command"])
        if program == "python":
            assert (ROOT / words.pop(0)).is_file(), row["command"]
        else:
            assert program in ("gail-train", "gail-train-expert"), row["command"]
        assert all(re.match(r"--\w+(=|$)", word) for word in words), row["command"]
    assert {(row["run"], row["seed"]) for row in commands} == {(row["run"], row["seed"]) for row in results}


def shown_commands(page):
    """The gail-* commands of a page's blocks of code and text, each in one line."""
    text = re.sub(r" *\\\n +", " ", page.read_text())
    blocks = re.findall(r"^(?: {4,})?(gail-[a-z-]+ .*)$", text, re.MULTILINE)
    return blocks + [" ".join(found.split()) for found in re.findall(r"`(gail-[a-z-]+ [^`]+)`", text)]


def written_twice(page):
    """Folders and files that two different commands of a page write: the second of them would be refused."""
    writers = {}
    for command in shown_commands(page):
        if not command.startswith(("gail-study", "gail-tune")) and "--resume" not in command:
            command = re.sub(r" +#.*", "", command)
            for path in re.findall(r"--(?:run_dir|out)=([a-z_]\S*)", command):
                writers.setdefault(path, set()).add(command)
    return [path for path, commands in writers.items() if len(commands) > 1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_whose_commands_are_given_one_after_the_other_trains_in_no_folder_twice(page):
    assert not written_twice(page)


def test_a_folder_that_two_commands_write_is_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "    gail-train --config=a --run_dir=runs/a\n    gail-train --run_dir=runs/a --resume\n"
        "`gail-train --config=a --run_dir=runs/a`\n\n    gail-train --config=b \\\n        --run_dir=runs/b\n"
        "`gail-train --config=c\n--run_dir=runs/b`\n"
    )
    assert written_twice(page) == ["runs/b"]


MADE_ABOVE = [
    ("demonstrations.md", "# mine.gin", "--config=mine.gin"),
    ("commands.md", "--run_dir=runs/hopper", "gail-doctor runs/hopper"),
]


@pytest.mark.parametrize(("page", "made", "read"), MADE_ABOVE)
def test_what_a_command_reads_is_made_above_it(page, made, read):
    text = (ROOT / "docs" / page).read_text()
    assert text.index(made) < text.index(read)


@pytest.fixture(scope="module")
def parts():
    """The modules that own_parts.md shows, by name."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/own_parts.md").read_text(), re.M | re.S)
    modules = {}
    for code in (block for block in blocks if block.startswith("# my_")):
        name = code.split(".py")[0].removeprefix("# ")
        assert len(code.splitlines()) < MAX_PART_LINES
        modules[name] = sys.modules[name] = types.ModuleType(name)  # gin asks for a part's module
        exec(compile(code, f"{name}.py", "exec"), modules[name].__dict__)
    yield modules
    for name in modules:
        del sys.modules[name]


def test_the_reward_at_logits_of_0_and_50(parts):
    rewards = parts["my_reward"].tempered(tf.constant([-50.0, 0.0, 50.0]), temperature=2.0)
    np.testing.assert_allclose(rewards, [np.exp(-25.0), np.log(2.0), 25.0], rtol=1e-5)


def test_the_loss_at_logit_0_is_2(parts):
    batch = DiscriminatorBatch(tf.zeros((4, 3)), tf.ones((4, 3)))
    loss = parts["my_loss"].lsgan_loss(lambda x: 0.0 * x[:, 0], batch, seed=(0, 0))
    np.testing.assert_allclose(loss, 2.0)


def test_the_losss_rules_are_asked_of_what_gin_binds(parts):
    rows, zeros = np.zeros((4, 3), np.float32), np.zeros(4, np.float32)
    expert = Transition(rows, rows[:, :2], rows, zeros, zeros, zeros)
    gin.parse_config("Discriminator.loss_terms = [@lsgan_loss]\nlsgan_loss.target = 0.5")
    assert Discriminator(expert, None).logits(expert).shape == (4,)
    with gin.unlock_config():
        gin.bind_parameter("lsgan_loss.target", -1.0)
    with pytest.raises(ValueError, match="^lsgan_loss.target is -1.0: want a number above 0."):
        Discriminator(expert, None)


@pytest.fixture(scope="module")
def specs():
    action = tf.TensorSpec((2,), tf.float32)
    return tf.TensorSpec((3,), tf.float32), action


def test_the_agent_raises_the_likelihood_of_actions_that_paid(parts, specs):
    actor, value = make_actor_network(*specs), make_value_network(specs[0])
    agent = parts["my_agent"].A2C(*specs, actor, value)
    rows = tf.constant([[0.5, 0.5], [-0.5, -0.5]])
    ones = tf.ones(2)
    batch = OnPolicyBatch(tf.ones((2, 3)), rows, tf.constant([1.0, -1.0]), ones, ones)

    def preference():
        policy, _ = actor(batch.observation, step_type=(), network_state=(), training=False)
        log_prob = policy.log_prob(rows)
        return log_prob[0] - log_prob[1]

    before = preference()
    metrics = agent.update(batch, (0, 0), tf.constant(0.0))
    assert preference() > before
    assert np.isfinite([float(m) for m in metrics.values()]).all()


def test_the_network_gives_a_distribution_over_actions(parts, specs):
    network = parts["my_network"].make_layer_norm_actor(*specs)
    policy, _ = network(tf.ones((5, 3)), step_type=(), network_state=(), training=False)
    assert policy.sample(seed=(0, 0)).shape == (5, 2)


def test_ppo_learns_with_the_network(parts, specs):
    actor, value = parts["my_network"].make_layer_norm_actor(*specs), make_value_network(specs[0])
    agent = PPO(*specs, actor, value, num_epochs=1)
    rows, ones = tf.constant([[0.5, 0.5], [-0.5, -0.5]]), tf.ones(2)
    batch = OnPolicyBatch(tf.ones((2, 3)), rows, tf.constant([1.0, -1.0]), ones, ones)
    assert np.isfinite([float(m) for m in agent.update(batch, (0, 0), tf.constant(0.0)).values()]).all()


def test_the_encoder_gives_features_of_images(parts):
    encoder = tf.keras.Sequential(parts["my_encoder"].strided_encoder(units=7))
    assert encoder(tf.ones((2, 12, 12, 3))).shape == (2, 7)


def test_the_environment_pays_for_the_right_guess(parts):
    env = make_environment("my_task:MyTask-v0")
    number = env.reset(seed=3)[0]
    assert env.step(int(number[0] > 0))[1] == 1.0
    env.reset(seed=3)
    assert env.step(int(number[0] <= 0))[1] == 0.0


def test_the_wrapper_ends_an_episode_outside(parts):
    import gymnasium as gym

    env = parts["my_wrapper"].EndsOutside(gym.make("Pendulum-v1"), component=0, low=2.0, high=3.0)
    env.reset(seed=0)
    assert env.step(env.action_space.sample())[2]


def test_the_reader_reads_what_was_written(parts, tmp_path):
    path = tmp_path / "mine.csv"
    # Two observations, one action, two next observations, reward, terminated, truncated.
    path.write_text("header\n1,2,0.5,3,4,1,0,0\n3,4,0.5,5,6,1,1,0\n7,8,0.5,9,9,1,0,0\n")
    assert parts["my_reader"].read_csv("mine.npz") is None
    demonstrations = parts["my_reader"].read_csv(str(path), d=2, k=1)
    assert demonstrations.episode_ends.tolist() == [2, 3]
    assert demonstrations.terminated.tolist() == [False, True, False]
    assert demonstrations.truncated.tolist() == [False, False, True]
    np.testing.assert_array_equal(demonstrations.next_observations, [[3, 4], [5, 6], [9, 9]])


def test_the_tracker_writes_numbers_and_results(parts, tmp_path):
    from gail_tf.training.trackers import tracked_run

    tracker = parts["my_tracker"].Spreadsheet(tracked_run(tmp_path, {}))
    tracker.write(64, {"discriminator/loss": 0.5})
    tracker.finish("finished", {"return_mean": 3.0})
    rows = (tmp_path / "numbers.csv").read_text().splitlines()
    assert rows == ["64,discriminator/loss,0.5", "finished,return_mean,3.0"]
