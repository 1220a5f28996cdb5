"""The compiled updates as HLO: written by TensorFlow, checked and timed wherever JAX has a device.

    python benchmarks/hlo_on_gpu.py write --folder=HLO
    JAX/bin/python benchmarks/hlo_on_gpu.py run --folder=HLO

JAX is a virtual environment with requirements_hlo.txt; it needs neither TensorFlow nor gail_tf, so that the
folder travels to a machine with a GPU that has neither. `write` traces each update, runs it once here and
keeps the program (NAME.hlo), what went in and what came out (NAME.npz), and TensorFlow's milliseconds on this
CPU. `run` gives the same inputs to the same program on JAX's first device, compares every output, and times
calls. --only takes names with wildcards. Nothing else should run on the machine.

A call is an iteration's whole update, as gail-train runs it. GPUs from Ampere on multiply in TF32, so that
differences there are larger: --tolerance.
"""

import argparse
import fnmatch
import json
import statistics
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

HERE = Path(__file__).resolve().parent
MGAIL = [(64, 5), (256, 5), (1024, 5), (4096, 5), (64, 10), (64, 20), (64, 50), (4096, 50)]  # batch, horizon


# --- Updates: each gives a function of tensors, and the tensors. ---


def ppo_gail(options, num_copies=1, minibatch_size=64):
    """The discriminator's and the policy's update of speed.py; its environments ``num_copies`` times over."""
    import speed
    import tensorflow as tf

    flags = SimpleNamespace(environment="Hopper-v5", demonstrations=options.demonstrations, num_envs=8)
    vars(flags).update(without_xla=False, reward="plr", seed=0, num_threads=1)
    more = [f"PPO.batch_size = {minibatch_size}"]
    if num_copies > 1:
        more += ["OnPolicyGenerator.num_steps = 64", "Discriminator.batch_size = 8192"]
    return on_policy(tf, speed.make_generator(flags, more), num_copies)


def on_policy(tf, generator, num_copies=1):
    generator.collect(0)
    batch = tf.nest.map_structure(lambda x: np.concatenate([x] * num_copies, 1), generator.batch)

    def update(transition, samples, iteration, progress):
        reward, metrics = generator._pay(transition, iteration, progress)
        # None was seen: the update looks at its batch itself, which a collection of images spares it.
        return metrics, generator._update_policy(transition, samples, reward, iteration, progress, None)

    return update, (*batch, 0, 0.0)


def ppo_nature(options, num_steps=64, num_epochs=4, batch_size=256):
    """PPO on the environment's reward, with images of 84 x 84 x 4 and the Nature encoder."""
    import gymnasium as gym
    import tensorflow as tf

    from gail_tf.assembly import settings  # noqa: F401 - gin knows every part
    from gail_tf.assembly.config import parse_gin
    from gail_tf.generators.on_policy import OnPolicyGenerator
    from gail_tf.rewards.environment import EnvironmentReward

    class Noise(gym.Env):
        observation_space, action_space = (
            gym.spaces.Box(0, 255, (84, 84, 4), np.uint8),
            gym.spaces.Discrete(6),
        )

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return self.np_random.integers(0, 256, (84, 84, 4), np.uint8), {}

        def step(self, action):
            return self.reset()[0], float(action == 0), self.np_random.random() < 0.01, False, {}

    networks = [
        f"make_{net}_network.{b}"
        for net in ("actor", "value")
        for b in ("hidden = ()", "encoder = @nature_encoder")
    ]
    sizes = ["OnPolicyGenerator.num_environments = 8", f"OnPolicyGenerator.num_steps = {num_steps}"]
    sizes += [
        f"PPO.num_epochs = {num_epochs}",
        f"PPO.batch_size = {batch_size}",
        "OnPolicyGenerator.normalize_observations = False",
    ]
    parse_gin(["ppo/any"], networks + sizes)
    tf.keras.utils.set_random_seed(0)
    return on_policy(
        tf, OnPolicyGenerator(lambda: gym.wrappers.TimeLimit(Noise(), 1000), EnvironmentReward(), None, 0)
    )


def sac_gail(options, hidden=(128, 128), batch_size=128):
    """64 updates of SAC and discriminator on rows of the replay buffer, which is gathered from outside."""
    import off_policy_speed
    import tensorflow as tf

    flags = SimpleNamespace(environment="Hopper-v5", demonstrations=options.demonstrations, seed=0)
    what = {"agent": "SAC", "gail": True, "hidden": hidden, "batch_size": batch_size}
    generator = off_policy_speed.make_generator(flags, what)
    for iteration in range(20):
        generator.collect(iteration)
    draws = np.random.default_rng(0).integers(
        generator.replay.size, size=(2, 64 * batch_size), dtype=np.int32
    )
    rows, reward_rows = (
        tf.nest.map_structure(np.asarray, generator.replay.gather(tf.constant(d))) for d in draws
    )

    def update(rows, reward_rows, iteration, progress):
        return generator._learn_from(rows, reward_rows, None, iteration, progress)

    return update, (rows, reward_rows, 0, 0.0)


def mgail(options, batch_size, horizon, num_updates=64):
    """Updates of forward model, discriminator, policy and value, as mgail_speed.py times them."""
    import mgail_speed

    generator = mgail_speed.make_generator(horizon, batch_size, num_updates, "AdvancedCore", True)
    generator.collect(0)
    return mgail_speed.update_of(generator), (generator.fresh, np.int32([0, 1]), 0.0)


def cloning(options):
    """An epoch of behavioural cloning."""
    import tensorflow as tf

    from gail_tf.assembly import settings  # noqa: F401 - gin knows every part
    from gail_tf.assembly.config import parse_gin
    from gail_tf.assembly.expert import load_demonstrations, prepare_expert
    from gail_tf.environments.actions import ActionCodec
    from gail_tf.environments.make import make_environment
    from gail_tf.generators.cloning import CloningGenerator

    parse_gin(["bc/hopper"], [])
    env = make_environment()
    expert = prepare_expert(load_demonstrations(), env, ActionCodec(env.action_space), run_seed=0)
    tf.keras.utils.set_random_seed(0)
    generator = CloningGenerator(make_environment, None, expert.transitions, 0)
    return generator.clonings[0]._train_epoch, (0,)


UPDATES = {
    "bc": cloning,
    "ppo_gail": ppo_gail,
    "ppo_gail_65536": lambda options: ppo_gail(options, 128, 8192),
    "ppo_nature": ppo_nature,
    # XLA's convolutions on a CPU take minutes for the whole one; this is for comparing numbers there.
    "ppo_nature_64": lambda options: ppo_nature(options, num_steps=8, num_epochs=1, batch_size=32),
    "sac_gail": sac_gail,
    "sac_gail_256x256_batch4096": lambda options: sac_gail(options, (256, 256), 4096),
}
UPDATES |= {f"mgail_batch{b}_h{h}": lambda options, b=b, h=h: mgail(options, b, h) for b, h in MGAIL}
UPDATES["mgail_16_updates"] = lambda options: mgail(options, 64, 5, 16)  # in 64 roundings grow: docs/speed.md


# --- Writing, with TensorFlow. ---


def write(options) -> None:
    from gail_tf.start_up import import_tensorflow

    import_tensorflow()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in chosen(options, UPDATES):
        program, arrays, facts = traced(*UPDATES[name](options), options.repetitions)
        np.savez(options.folder / f"{name}.npz", **arrays)
        (options.folder / f"{name}.hlo").write_bytes(program)
        (options.folder / f"{name}.json").write_text(json.dumps(facts, indent=1))
        print(f"{name}: {len(program) / 1e6:.1f} MB, {facts['tensorflow_ms']:.1f} ms a call", flush=True)


def traced(update, arguments, repetitions):
    """The HLO of ``update``; its inputs, its outputs and the variables after a call; TensorFlow's time."""
    import tensorflow as tf

    flat = [tf.constant(x) for x in tf.nest.flatten(arguments)]
    packed = lambda *flat: update(*tf.nest.pack_sequence_as(arguments, flat))  # noqa: E731
    function = tf.function(packed, jit_compile=True, autograph=False)
    captured = function.get_concrete_function(*flat).captured_inputs
    arrays = {f"in_{i:04}": value_of(x) for i, x in enumerate([*flat, *captured])}
    program = function.experimental_get_compiler_ir(*flat)(stage="hlo_serialized")
    outputs = tf.nest.flatten(function(*flat))
    arrays |= {f"out_{i:04}": np.array(x) for i, x in enumerate(outputs)}
    held = [x for x in captured if x.dtype == tf.resource]
    arrays |= {f"variable_{i:04}": value_of(x) for i, x in enumerate(held)}
    seconds = timed(lambda: np.array(tf.nest.flatten(function(*flat))[0]), repetitions)
    return program, arrays, {"tensorflow": tf.__version__, "tensorflow_ms": 1e3 * seconds}


def value_of(tensor) -> np.ndarray:
    """Of a tensor, or of the variable whose handle it is."""
    import tensorflow as tf

    if tensor.dtype != tf.resource:
        return np.array(tensor)
    dtype = tf.dtypes.as_dtype(tensor._handle_data.shape_and_type[0].dtype)
    return np.array(tf.raw_ops.ReadVariableOp(resource=tensor, dtype=dtype))


# --- Running, with JAX. ---


def run(options) -> None:
    import jax
    from jax._src.lib import xla_client  # the public API takes StableHLO of its own making only

    jax.config.update("jax_enable_x64", True)  # counters are int64
    device = jax.devices()[0]
    found = sorted(path.stem for path in options.folder.glob("*.hlo"))
    rows, failed = [], []
    for name in chosen(options, found):
        stablehlo = xla_client._xla.mlir.hlo_to_stablehlo((options.folder / f"{name}.hlo").read_bytes())
        start = time.perf_counter()
        program = device.client.compile_and_load(
            stablehlo, xla_client.DeviceList((device,)), xla_client.CompileOptions()
        )
        compiling = time.perf_counter() - start
        with np.load(options.folder / f"{name}.npz", allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        call = Call(jax, device, program, [arrays[key] for key in sorted(arrays) if key.startswith("in_")])
        difference = compare([np.asarray(x) for x in call()], arrays)
        failed += [name] if difference > options.tolerance else []
        facts = json.loads((options.folder / f"{name}.json").read_text())
        milliseconds = 1e3 * timed(call, options.repetitions, call.prepare)
        rows.append([name, facts["tensorflow_ms"], milliseconds, difference, compiling])
        print(
            f"{name}: {milliseconds:.1f} ms, largest difference {difference:.1e}", file=sys.stderr, flush=True
        )
    print(table(rows, device, jax.__version__))
    if failed:
        sys.exit(f"{', '.join(failed)}: outputs differ by more than --tolerance={options.tolerance}.")


class Call:
    """Calls a compiled program; ``prepare`` brings its inputs, of which a call uses up the variables."""

    def __init__(self, jax, device, program, inputs):
        self._jax, self._device, self._program, self._inputs = jax, device, program, inputs
        self.prepare()

    def prepare(self) -> None:
        put = self._jax.device_put
        self._on_device = self._jax.block_until_ready([put(x, self._device) for x in self._inputs])

    def __call__(self) -> list:
        outputs = self._program.execute_sharded(self._on_device).disassemble_into_single_device_arrays()
        return self._jax.block_until_ready([shards[0] for shards in outputs])


def compare(outputs, arrays) -> float:
    """The largest difference of an output to TensorFlow's, as a share of the tensor's largest component.

    The program returns the results and then the variables it wrote, in their order; which ones it does not
    say, so each is compared with the next variable of its shape that is nearest.
    """
    wanted = [arrays[key] for key in sorted(arrays) if key.startswith("out_")]
    variables = [arrays[key] for key in sorted(arrays) if key.startswith("variable_")]
    results, written = outputs[: len(wanted)], outputs[len(wanted) :]
    worst = max(map(share, results, wanted), default=0.0)
    for value in written:
        alike = [v for v in variables if v.shape == value.shape and v.dtype == value.dtype]
        worst = max(worst, min((share(value, v) for v in alike), default=np.inf))
    return worst


def share(value, wanted) -> float:
    if value.shape != wanted.shape:
        return np.inf
    value, wanted = value.astype(np.float64), wanted.astype(np.float64)
    same = np.all((value == wanted) | (np.isnan(value) & np.isnan(wanted)))
    return 0.0 if same else float(np.abs(value - wanted).max() / max(np.abs(wanted).max(), 1e-6))


def table(rows, device, version) -> str:
    lines = [
        f"| update | TensorFlow, CPU, ms | JAX, {device.device_kind}, ms | difference | compiled in, s |"
    ]
    lines += ["| --- | ---: | ---: | ---: | ---: |"]
    lines += [f"| {n} | {a:.1f} | {b:.1f} | {d:.0e} | {c:.0f} |" for n, a, b, d, c in rows]
    return "\n".join([*lines, "", f"JAX {version} on {device.platform}."])


def timed(call, repetitions, prepare=lambda: None) -> float:
    """Median seconds of a call, the first apart; ``prepare`` comes before each and is not timed."""
    seconds = []
    for _ in range(repetitions + 1):
        prepare()
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def chosen(options, names) -> list[str]:
    kept = [name for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in options.only)]
    if not kept:
        sys.exit(f"--only={','.join(options.only)}: no such update; there are {', '.join(names) or 'none'}.")
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("write", "run"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--only", type=lambda text: text.split(","), default=["*"], help="names, by commas")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument(
        "--tolerance", type=float, default=0.02, help="run: share of a tensor's largest component"
    )
    hopper = HERE.parent / "experts" / "Hopper-v5" / "demonstrations.npz"
    parser.add_argument("--demonstrations", default=str(hopper), help="write: of Hopper-v5")
    options = parser.parse_args()
    {"write": write, "run": run}[options.what](options)


if __name__ == "__main__":
    main()
