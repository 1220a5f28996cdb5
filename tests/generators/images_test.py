"""Images from the environment to the network: a convolutional actor, value and critic learn from them."""

import functools

import gin
import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf
from tf_agents.specs import tensor_spec

import gail_tf
from gail_tf.agents.ppo import PPO
from gail_tf.agents.td3 import TD3
from gail_tf.agents.trpo import TRPO
from gail_tf.environments.make import make_environment
from gail_tf.generators.off_policy import OffPolicyGenerator
from gail_tf.generators.on_policy import OnPolicyGenerator
from gail_tf.networks import encoders, mlp
from gail_tf.rewards.environment import EnvironmentReward
from gail_tf.training import evaluation, export
from gail_tf.types import OnPolicyBatch

NETWORKS = """
small_encoder.filters = (8,)
small_encoder.kernels = (4,)
small_encoder.strides = (4,)
small_encoder.units = 32
make_actor_network.hidden = ()
make_actor_network.encoder = @small_encoder
make_value_network.hidden = ()
make_value_network.encoder = @small_encoder
make_deterministic_actor.hidden = ()
make_deterministic_actor.output_gain = 0.1
make_deterministic_actor.encoder = @small_encoder
make_critic_network.hidden = (32,)
make_critic_network.encoder = @small_encoder
"""


class Dot(gym.Env):
    """An 8 x 16 image with a bar on the left or the right: an action to its side pays 1, to the other -1.

    The bar moves every step, so an episode's return is 8 times what is known of it.
    """

    observation_space = gym.spaces.Box(0, 255, (8, 16, 1), np.uint8)

    def __init__(self, is_discrete):
        self.action_space = gym.spaces.Discrete(2) if is_discrete else gym.spaces.Box(-1.0, 1.0, (1,))
        self._is_discrete = is_discrete

    def _image(self):
        self._side = int(self.np_random.integers(2))
        image = np.zeros(self.observation_space.shape, np.uint8)
        image[:, 3 + 8 * self._side] = 255
        return image

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._image(), {}

    def step(self, action):
        wanted = 2.0 * self._side - 1.0
        given = 2.0 * action - 1.0 if self._is_discrete else float(action[0])
        return self._image(), wanted * given, False, False, {}


@pytest.fixture
def networks():
    tf.keras.utils.set_random_seed(0)
    gin.parse_config(NETWORKS)


def make_discrete():
    return gym.wrappers.TimeLimit(Dot(True), 8)


def make_continuous():
    return gym.wrappers.TimeLimit(Dot(False), 8)


def mean_return(make_env, policy):
    evaluator = evaluation.Evaluator(make_env)
    return evaluator.evaluate(evaluation.deterministic(policy), 10, seed=0).statistics()["return_mean"]


def exported_acts_alike(make_env, generator, folder):
    """The exported policy takes batches of uint8, and earns what the live one does."""
    export.export_policy(generator.policy, folder, {"environment": "Dot"})
    loaded, _ = export.load_policy(folder)
    spec = loaded.signatures["serving_default"].structured_input_signature[1]["observation"]
    assert (spec.shape, spec.dtype) == ([None, 8, 16, 1], tf.uint8)
    return mean_return(make_env, loaded) == mean_return(make_env, generator.policy)


def test_a_convolutional_actor_and_value_learn_on_policy(networks, tmp_path):
    generator = OnPolicyGenerator(
        functools.partial(make_environment, make_discrete),
        EnvironmentReward(),
        None,
        seed=0,
        agent=functools.partial(TRPO, value_epochs=2),
        num_environments=4,
        num_steps=32,
        discount=0.0,
        jit_compile=False,
    )
    (note,) = generator.notes  # that it acts by TensorFlow is nothing that a setting changes
    assert "images" in note
    for i in range(6):
        generator.collect(i)
        generator.update(i, 0.0)
    assert generator.batch[0].observation.dtype == np.uint8
    assert mean_return(make_discrete, generator.policy) > 6.0  # chance has 0, the best 8
    assert exported_acts_alike(make_discrete, generator, tmp_path / "policy")


@pytest.mark.parametrize("make_env, jit_compile", [(make_discrete, True), (make_continuous, False)])
def test_ppo_learns_by_what_it_saw_when_it_acted(networks, make_env, jit_compile):
    """Values and policy come from the actor's own look: a second one would be the same again."""
    gin.bind_parameter("make_actor_network.encoder", None)
    gin.bind_parameter("make_value_network.encoder", None)
    generator = OnPolicyGenerator(
        functools.partial(make_environment, make_env),
        EnvironmentReward(),
        None,
        seed=0,
        agent=PPO,
        encoder=encoders.small_encoder,
        num_environments=3,
        num_steps=5,
        jit_compile=jit_compile,
    )
    for i in range(2):
        generator.collect(i)
        value, policy = generator._sampler.looked()
        transition, samples = generator.batch
        images = tf.constant(transition.observation.reshape(15, 8, 16, 1))
        expected_value, expected = generator.agent.look(images)
        np.testing.assert_allclose(value, expected_value, atol=1e-5)
        actions = samples.reshape(15, *samples.shape[2:])
        np.testing.assert_allclose(policy.log_prob(actions), expected.log_prob(actions), atol=1e-5)
        generator.update(i, 0.0)  # after which another look is another
    assert not np.allclose(generator.agent.look(images)[0], value, atol=1e-5)


@pytest.mark.parametrize("num_rows", [8, 600])
def test_the_divergence_and_entropy_of_many_images_are_those_of_some(networks, num_rows):
    images = np.zeros((num_rows, 8, 16, 1), np.uint8)
    images[np.arange(num_rows), :, np.arange(num_rows) % 16] = 255
    specs = tf.TensorSpec((8, 16, 1), tf.uint8), tensor_spec.BoundedTensorSpec((), tf.int32, 0, 1)
    actor, value = mlp.make_actor_network(*specs), mlp.make_value_network(specs[0])
    agent = PPO(*specs, actor, value, num_epochs=1, batch_size=num_rows)
    rng = np.random.default_rng(0)
    numbers = [tf.constant(rng.normal(size=num_rows), tf.float32) for _ in range(3)]
    action = tf.constant(rng.integers(2, size=num_rows), tf.int32)
    batch = OnPolicyBatch(tf.constant(images), action, *numbers)
    metrics = agent.update(batch, tf.constant([0, 0]), tf.constant(0.0))
    told = images if num_rows == 8 else images[::3]  # 600 // 256, and odd
    expected = tf.reduce_mean(actor(tf.constant(told), training=False)[0].entropy())
    np.testing.assert_allclose(metrics["generator/entropy"], expected, rtol=1e-5)
    assert 0.0 < metrics["generator/kl"] < 1.0


def test_a_convolutional_actor_and_critic_learn_off_policy(networks, tmp_path):
    generator = OffPolicyGenerator(
        functools.partial(make_environment, make_continuous),
        EnvironmentReward(),
        None,
        seed=0,
        agent=functools.partial(TD3, discount=0.0, actor_learning_rate=3e-3, critic_learning_rate=3e-3),
        num_steps=32,
        num_updates=16,
        batch_size=32,
        num_random_steps=64,
        replay_capacity=256,
        jit_compile=False,
    )
    for i in range(8):
        generator.collect(i)
        generator.update(i, 0.0)
    assert generator.replay.gather(tf.range(2)).observation.dtype == tf.uint8
    assert generator.state()["replay_uint8"].shape == (256, 2 * 8 * 16)
    assert mean_return(make_continuous, generator.policy) > 6.0
    assert exported_acts_alike(make_continuous, generator, tmp_path / "policy")


def demonstrations(make_env, num_episodes=8):
    """Episodes of who sees the bar, as arrays: images stay uint8."""
    env, rows = make_env(), []
    for seed in range(num_episodes):
        image, done = env.reset(seed=seed)[0], False
        while not done:
            is_right = int(image[0, 11, 0] > 0)
            discrete = isinstance(env.action_space, gym.spaces.Discrete)
            action = is_right if discrete else np.array([2.0 * is_right - 1.0], np.float32)
            following, reward, terminated, done, _ = env.step(action)
            rows.append((image, action, following, reward, terminated, done))
            image = following
    names = ("observations", "actions", "next_observations", "rewards", "terminals", "timeouts")
    return dict(zip(names, map(np.asarray, zip(*rows, strict=True)), strict=True))


@pytest.mark.parametrize(
    ("config", "make_env", "settings"),
    [
        ("gail_trpo/any", make_discrete, ("OnPolicyGenerator.num_environments = 4", "TRPO.value_epochs = 2")),
        pytest.param(
            "dac_td3/any",
            make_continuous,
            ("TD3.actor_start = 0", "OffPolicyGenerator.num_random_steps = 64", "TD3.policy_delay = 1"),
            marks=pytest.mark.long,
        ),
        (
            "sqil/any",
            make_discrete,
            (
                "make_action_value_network.encoder = @small_encoder",
                "make_action_value_network.hidden = ()",
                "OffPolicyGenerator.num_random_steps = 64",
                "SoftQ.learning_rate = 3e-3",
                "SoftQ.epsilon_steps = 512",
                "SoftQ.target_period = 50",
                "SoftQ.discount = 0.5",
            ),
        ),
    ],
)
def test_imitation_from_images_alone(config, make_env, settings, tmp_path):
    common = (
        "OnPolicyGenerator.num_steps = 32",
        "OnPolicyGenerator.discount = 0.5",
        "OnPolicyGenerator.jit_compile = False",
        "OffPolicyGenerator.num_steps = 32",
        "OffPolicyGenerator.num_updates = 16",
        "OffPolicyGenerator.batch_size = 32",
        "OffPolicyGenerator.num_reward_rows = 512",
        "OffPolicyGenerator.replay_capacity = 2048",
        "OffPolicyGenerator.average_rate = 0.0",
        "OffPolicyGenerator.jit_compile = False",
        "TD3.discount = 0.5",
        "make_environment.absorbing_states = False",
        "make_discriminator_network.encoder = @small_encoder",
        "make_discriminator_network.hidden = (32,)",
        "Discriminator.learning_rate = 3e-3",
        "gradient_penalty.coef = 0.1",
        "Trainer.total_env_steps = 1024",
        "Trainer.num_evaluations = 1",
        "Trainer.final_episodes = 5",
    )
    result = gail_tf.train(
        config,
        demonstrations=demonstrations(make_env),
        environment=make_env,
        seed=0,
        bindings=[*filter(None, NETWORKS.splitlines()), *common, *settings],
        run_dir=tmp_path / "run",
    )
    assert result.return_mean > 5.0  # chance has 0, the best 8
    assert result.policy(make_env().reset(seed=0)[0]).shape == make_env().action_space.shape
