"""Exported policies in other formats act as the SavedModel, which refuses what is no observation."""

import json
import re
import sys
import types

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from gail_tf.agents.policy import Policy
from gail_tf.bin import export_policy as binary
from gail_tf.environments.actions import ActionCodec
from gail_tf.errors import UserError
from gail_tf.networks.encoders import small_encoder
from gail_tf.networks.mlp import make_actor_network, make_deterministic_actor, make_squashed_actor
from gail_tf.networks.normalization import RunningMoments
from gail_tf.training import export, model_card, portable

_ARMS, _BOX = gym.spaces.Discrete(3), gym.spaces.Box(-2.0, 2.0, (2,))
_HALF_UNBOUNDED = gym.spaces.Box(np.float32([-2.0, -np.inf]), np.float32([2.0, np.inf]))

# What the recipes act by: PPO, TRPO, cloning and MGAIL by a Gaussian or a categorical, SAC by a squashed one.
POLICIES = {
    "gaussian (PPO, TRPO, BC)": (make_actor_network, _BOX, False),
    "bounded mean (MGAIL)": (lambda *specs: make_actor_network(*specs, bounded_mean=True), _BOX, False),
    "unbounded actions": (make_actor_network, _HALF_UNBOUNDED, False),
    "discrete": (make_actor_network, _ARMS, False),
    "SAC": (make_squashed_actor, _BOX, False),
    "TD3": (make_deterministic_actor, _BOX, False),
    "absorbing": (make_squashed_actor, _BOX, True),
    "absorbing and discrete": (make_actor_network, _ARMS, True),
    "images": (lambda *specs: make_actor_network(*specs, encoder=small_encoder), _ARMS, False),
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """name -> the folder of a policy with an output that is not tiny, and observations for it."""
    made = {}
    for i, (name, (factory, space, absorbing)) in enumerate(POLICIES.items()):
        tf.keras.utils.set_random_seed(i)
        codec, rng = ActionCodec(space), np.random.default_rng(i)
        is_image = name == "images"
        spec = tf.TensorSpec((36, 36, 2), tf.uint8) if is_image else tf.TensorSpec((5,), tf.float32)
        normalizer = None if is_image else RunningMoments((5,))
        if normalizer is not None:
            normalizer.update(rng.normal(1.0, 3.0, (100, 5)).astype(np.float32))
        actor = factory(spec, codec.spec)
        for variable in actor.trainable_variables[-3:]:
            variable.assign(variable + 0.3 * tf.random.normal(variable.shape))
        policy = Policy(actor, normalizer, codec, absorbing, spec)
        folder = tmp_path_factory.mktemp("policies") / "policy"
        export.export_policy(policy, folder, {"environment": "Mine-v0", "stochastic": name == "SAC"})
        shape = (64, *policy.observation_spec.shape)
        rows = rng.integers(256, size=shape, dtype=np.uint8) if is_image else rng.normal(1.0, 3.0, shape)
        made[name] = policy, folder, rows.astype(spec.dtype.as_numpy_dtype)
    return made


def in_onnx(path, rows):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(path / "policy.onnx"), providers=["CPUExecutionProvider"])
    return session.run(["action"], {"observation": rows})[0]


def in_tflite(path, rows):
    """By the signature, and by the tensors' numbers."""
    signed, interpreter = (
        tf.lite.Interpreter(model_path=str(path / "policy.tflite"), num_threads=1) for _ in range(2)
    )
    signature = {"inputs": ["observation"], "outputs": ["action"]}
    assert signed.get_signature_list() == {"serving_default": signature}
    given = signed.get_signature_runner("serving_default")(observation=rows)["action"]
    index = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(index, rows.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(index, rows)
    interpreter.invoke()
    plain = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_array_equal(given, plain)
    return plain


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize(("kind", "act"), [("onnx", in_onnx), ("tflite", in_tflite)])
def test_other_formats_act_as_the_saved_model(exported, tmp_path, kind, act, name):
    """To 1e-6 of the actions' range, -2 to 2: these libraries add float32 products in orders of their own."""
    if kind == "onnx":
        pytest.importorskip("tf2onnx", reason="pip install 'gail_tf[onnx]'")
    policy, folder, rows = exported[name]
    said = portable.FORMATS[kind](folder, tmp_path / "out")
    assert "no action differs by more than" in said
    assert ("evaluated with sampled actions" in said) == (name == "SAC")
    assert json.loads((tmp_path / "out/policy.json").read_text())["environment"] == "Mine-v0"
    for part in (rows, rows[:1]):
        given, expected = act(tmp_path / "out", part), policy.deterministic(part).numpy()
        assert given.dtype == expected.dtype and given.shape == expected.shape
        np.testing.assert_allclose(given, expected, rtol=1e-6, atol=4e-6)
    assert np.ptp(policy.deterministic(rows).numpy()) > 0.1 or name == "images"


@pytest.mark.parametrize("name", [name for name in POLICIES if name != "images"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_observation_that_is_not_finite_raises_in_every_policy(exported, name, bad):
    policy, folder, rows = exported[name]
    model, rows = tf.saved_model.load(str(folder)), rows.copy()
    rows[3, 1] = bad
    seed = tf.constant([0, 1])
    signatures = model.signatures
    for act in (
        lambda: model.deterministic(rows),
        lambda: signatures["serving_default"](observation=tf.constant(rows)),
        lambda: signatures["sampled"](observation=tf.constant(rows), seed=seed),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match="the policy's observation is not finite"):
            act()


def test_one_observation_without_a_batch_is_told_so(exported):
    _, folder, rows = exported["SAC"]
    act = tf.saved_model.load(str(folder)).signatures["serving_default"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="give_a_batch_B_5_as_observation_None"):
        act(observation=tf.constant(rows[0]))


def test_a_policy_from_before_is_converted_by_its_mode(exported, tmp_path, monkeypatch):
    _, folder, _ = exported["TD3"]
    model, metadata = export.load_policy(folder)
    before = types.SimpleNamespace(signatures=model.signatures, deterministic=model.unchecked)
    monkeypatch.setattr(portable, "load_policy", lambda path: (before, metadata))
    assert "policy.tflite" in portable.export_tflite(folder, tmp_path / "out")


def test_what_cannot_be_converted_is_one_line_and_leaves_nothing(exported, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("op Fancy\nis not supported")

    monkeypatch.setattr(tf.lite.TFLiteConverter, "from_saved_model", fails)
    with pytest.raises(
        UserError,
        match="RuntimeError: op Fancy is not supported.; .*deploy the SavedModel .GAIL_TF_TRACEBACK=1",
    ):
        portable.export_tflite(exported["TD3"][1], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(UserError, match="--format=onnx needs tf2onnx: .*pip install 'gail_tf.onnx.'"):
        portable.export_onnx(exported["TD3"][1], tmp_path / "out")


def test_the_binary_takes_every_format():
    assert binary.flags.FLAGS["format"].parser.enum_values == list(portable.FORMATS)


def test_a_saved_model_of_something_else_is_not_loaded(exported, tmp_path, monkeypatch):
    def is_not_to_be_called(*_):
        raise AssertionError("loaded")

    module = tf.Module()
    spec = tf.TensorSpec((None, 3), name="observation")

    def reads(observation):
        size = tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)
        return {"action": observation + size}

    plain = tf.function(lambda observation: {"values": observation}).get_concrete_function(spec)
    act = tf.function(reads).get_concrete_function(spec)
    seed = tf.TensorSpec((2,), tf.int32, name="seed")
    draw = tf.function(lambda observation, seed: reads(observation)).get_concrete_function(spec, seed)
    for name, signatures in (
        ("else", {"serving_default": plain}),
        ("reads", {"serving_default": act, "sampled": draw}),
    ):
        tf.saved_model.save(module, str(tmp_path / name), signatures)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged/saved_model.pb").write_bytes(b"no protocol buffer")
    monkeypatch.setattr(tf.saved_model, "load", is_not_to_be_called)
    for name, sentence in (
        ("else", "has another signature 'serving_default'"),
        ("reads", r"its graph reads or writes outside of itself \(ReadFile\) and is not loaded"),
        ("damaged", "is no SavedModel"),
    ):
        with pytest.raises(UserError, match=sentence):
            export.load_policy(tmp_path / name)


@pytest.fixture
def run_dir(exported, tmp_path):
    """What a model card needs of a finished run."""
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(exported["SAC"][1], folder / "policy")
    summary = {"return_mean": 2.5, "return_std": 0.25, "num_episodes": 20, "normalized_return": 0.9}
    summary |= {"environment": "Mine: v0", "algorithm": "GAIL (SAC)", "seed": 3, "env_steps": 1000}
    summary |= {"expert_return": 3.0, "random_return": None, "num_demonstrations": 4, "subsample": 20}
    (folder / "summary.json").write_text(json.dumps(summary))
    info = {"versions": {"gail_tf": "0.1.0"}, "ended": "2026-01-01T00:00:00+00:00"}
    (folder / "run.json").write_text(json.dumps(info))
    path = "load_demonstrations.path = '/home/me/data/mine.npz'"
    (folder / "config.gin").write_text(f"{path}\nSAC.learning_rate = 0.0003\n")
    (folder / "curve.png").write_bytes(b"png")
    return folder


def test_a_model_card_tells_what_the_run_left(run_dir, tmp_path):
    yaml = pytest.importorskip("yaml")
    film = tmp_path / "film.gif"
    film.write_bytes(b"gif")
    out = tmp_path / "card"
    said = model_card.write(str(run_dir), run_dir / "policy", str(out), "mit", str(film))
    assert "unknown" not in said
    names = {"README.md", "config.gin", "curve.png", "policy", "replay.gif", "results.json"}
    assert {path.name for path in out.iterdir()} == names
    _, front, text = (out / "README.md").read_text().split("---\n", 2)
    front = yaml.safe_load(front)
    assert front["license"] == "mit" and "imitation-learning" in front["tags"]
    (result,) = front["model-index"][0]["results"]
    assert result["dataset"]["name"] == "Mine: v0" and result["metrics"][0]["value"] == "2.50 +/- 0.25"
    assert "| normalised return | 0.900 |" in text and "3.0 and unknown" in text
    assert "| demonstrations | 4, every 20th step |" in text
    assert "![Film of one episode](replay.gif)" in text and "load one only from somebody" in text
    results = json.loads((out / "results.json").read_text())
    assert results["mean_reward"] == 2.5 and results["n_eval_episodes"] == 20 == results["subsample"]
    assert (out / "config.gin").read_text().startswith("load_demonstrations.path = 'mine.npz'\nSAC.")
    assert hasattr(export.load_policy(out)[0], "deterministic")


def test_the_code_on_a_model_card_acts_as_the_run_was_evaluated(run_dir, tmp_path):
    summary = json.loads((run_dir / "summary.json").read_text())
    for stochastic, how in ((False, "by the policy's mode"), (True, "with sampled actions")):
        (run_dir / "summary.json").write_text(json.dumps(summary | {"stochastic": stochastic}))
        out = tmp_path / f"card {stochastic}"
        model_card.write(str(run_dir), run_dir / "policy", str(out))
        text = (out / "README.md").read_text()
        assert f"2.50 +/- 0.25 over 20 episodes, {how}" in text
        assert json.loads((out / "results.json").read_text())["is_deterministic"] is not stochastic
        code = re.search(r"```python\n(.+?)```", text, re.DOTALL)[1].replace(
            '"policy"', repr(str(out / "policy"))
        )
        names = {"observations": tf.zeros((2, 5))}
        results = []
        for names["step"] in (0, 1):
            exec(code, names)
            results.append(names["actions"].numpy())
        assert results[0].shape[0] == 2 and (not np.array_equal(*results)) == stochastic


def test_a_model_card_is_of_a_finished_run(run_dir, tmp_path):
    with pytest.raises(UserError, match="--film=none.mp4: want an .mp4 or .gif that is there"):
        model_card.write(str(run_dir), run_dir / "policy", str(tmp_path / "card"), film="none.mp4")
    assert "'unknown'" in model_card.write(str(run_dir), run_dir / "policy", str(tmp_path / "card"))
    info = json.loads((run_dir / "run.json").read_text()) | {"environment_factory": "mine.make"}
    (run_dir / "run.json").write_text(json.dumps(info))
    model_card.write(str(run_dir), run_dir / "policy", str(tmp_path / "made"))
    assert "A policy for Mine: v0 of mine.make, trained" in (tmp_path / "made" / "README.md").read_text()
    (run_dir / "summary.json").unlink()
    with pytest.raises(UserError, match="is of a finished run"):
        model_card.write(str(run_dir), run_dir / "policy", str(tmp_path / "other"))
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ({"kwargs": {"xml": "a|b"}}, "make_environment.kwargs = {'xml': 'a|b'}"),
        ({"max_episode_steps": 50}, "make_environment.max_episode_steps = 50"),
        (
            {"wrappers": [{"wrapper": "mine:Halves", "arguments": {"by": 2}}]},
            "Halves.by = 2; make_environment.wrappers = [@Halves]",
        ),
    ],
)
def test_a_changed_environment_is_not_published_as_the_standard_task(run_dir, tmp_path, made, told):
    yaml = pytest.importorskip("yaml")
    policy = run_dir / "policy" / "policy.json"
    policy.write_text(json.dumps(json.loads(policy.read_text()) | {"environment_kwargs": made}))
    model_card.write(str(run_dir), run_dir / "policy", str(tmp_path / "card"))
    _, front, text = (tmp_path / "card" / "README.md").read_text().split("---\n", 2)
    (result,) = yaml.safe_load(front)["model-index"][0]["results"]
    assert result["dataset"]["name"] == result["dataset"]["type"] == f"Mine: v0 with {told}"
    assert f"# GAIL (SAC) on Mine: v0 with {told}\n" in text
    assert f"| environment | Mine: v0 with {told.replace('|', chr(92) + '|')} |" in text
    assert json.loads((tmp_path / "card" / "results.json").read_text())["environment_kwargs"] == made


def test_a_push_makes_the_repository_and_uploads_the_folder(monkeypatch):
    """Against a stand-in of huggingface_hub: nothing here reaches the Hub."""
    calls = []

    class HfApi:
        def create_repo(self, repo_id, exist_ok):
            calls.append(("create", repo_id, exist_ok))
            if repo_id == "me/refused":
                raise PermissionError("401\nUnauthorized")

        def upload_folder(self, repo_id, folder_path, commit_message):
            calls.append(("upload", repo_id, folder_path))

    monkeypatch.setitem(sys.modules, "huggingface_hub", types.SimpleNamespace(HfApi=HfApi))
    assert model_card.uploader("me/mine")("card").endswith("https://huggingface.co/me/mine")
    assert calls == [("create", "me/mine", True), ("upload", "me/mine", "card")]
    with pytest.raises(
        UserError, match="PermissionError: 401 Unauthorized.; log in with 'hf auth login'; card stays"
    ):
        model_card.uploader("me/refused")("card")
    with pytest.raises(UserError, match="want USER/NAME"):
        model_card.uploader("mine")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match="pip install 'gail_tf.hub.'"):
        model_card.uploader("me/mine")


@pytest.mark.parametrize("dtype, change", [(np.float32, -1.0), (np.float32, np.nan), (np.int64, -1)])
def test_a_conversion_that_acts_otherwise_is_refused(dtype, change):
    def mode(rows):
        return tf.cast(tf.reduce_sum(rows, axis=1, keepdims=True) * 10.0, dtype)

    spec = tf.TensorSpec((None, 3), tf.float32)
    assert portable.largest_difference(mode, lambda rows: mode(rows).numpy(), spec) == 0.0
    with pytest.raises(ValueError, match="differ by up to|another action"):
        portable.largest_difference(mode, lambda rows: (mode(rows).numpy() * change).astype(dtype), spec)
