"""How fast GAIL with PPO trains here: against the `imitation` package, and against the simulator alone.

    python benchmarks/speed.py --peer_python=PEER/bin/python --demonstrations=Hopper-v5.npz

PEER is the virtual environment of imitation_peer.py. Every measurement is a process of its own that may use
--num_threads cores (ours: for the simulators, the peer: PyTorch). They run one after the other, so nothing
else should run on the machine. A repetition is: ours, the peer, ours without XLA, the simulator alone; ratios
are taken within a repetition. Then the number of environments varies, with the transitions of a batch held.
Progress goes to standard error, Markdown tables to standard output, every figure into --out.
"""

import argparse
import collections
import contextlib
import functools
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
NUM_TRANSITIONS = 2048  # of a batch, whatever the number of environments
SETTINGS = {  # what both sides are told; the peer's flags have these names
    "num_epochs": 10,
    "minibatch_size": 64,
    "learning_rate": 3e-4,
    "num_discriminator_updates": 4,
    "discriminator_batch_size": 1024,
    "policy_units": (64, 64),
    "discriminator_units": (32, 32),
    "discriminator_activation": "relu",
}
DISCRIMINATOR_LEARNING_RATE = 1e-3  # the peer's default, PyTorch's of Adam
PROGRAMS = {
    "gail": "gail_tf",
    "imitation": "imitation",
    "gail_without_xla": "gail_tf without XLA",
    "simulator": "simulator alone, random actions",
}
PHASES = {
    "simulator": "simulator",
    "policy": "policy, to act",
    "rest_of_collect": "rest of collecting",
    "discriminator": "discriminator",
    "policy_update": "policy update",
    "other": "other",
}
UPDATES = ("discriminator", "policy_update")


class ChildError(Exception):
    """A child process failed; the message is one line."""


# --- A child process: one measurement, one line of JSON. ---


class Stopwatch:
    """Adds up the wall seconds spent in the functions it wraps, by name."""

    def __init__(self):
        self.seconds = collections.Counter()

    def timed(self, name: str, function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapper(*arguments):
            start = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                self.seconds[name] += time.perf_counter() - start

        return wrapper


def gin_bindings(options: argparse.Namespace) -> list[str]:
    """SETTINGS as bindings; what the peer has no flag for takes the peer's default."""
    rows = SETTINGS["num_discriminator_updates"] * SETTINGS["discriminator_batch_size"]
    num_steps = NUM_TRANSITIONS // options.num_envs
    return [
        f"make_environment.environment = {options.environment!r}",
        f"load_demonstrations.path = {options.demonstrations!r}",
        f"OnPolicyGenerator.num_environments = {options.num_envs}",
        f"OnPolicyGenerator.num_steps = {num_steps}",
        f"OnPolicyGenerator.jit_compile = {not options.without_xla}",
        f"make_simulators.num_threads = {options.num_threads}",
        f"PPO.num_epochs = {SETTINGS['num_epochs']}",
        f"PPO.batch_size = {SETTINGS['minibatch_size']}",
        f"PPO.learning_rate = {SETTINGS['learning_rate']}",
        "PPO.final_learning_rate_fraction = 1.0",
        f"make_actor_network.hidden = {SETTINGS['policy_units']}",
        "make_actor_network.initial_log_std = 0.0",
        f"make_value_network.hidden = {SETTINGS['policy_units']}",
        f"make_discriminator_network.hidden = {SETTINGS['discriminator_units']}",
        f"make_discriminator_network.activation = {SETTINGS['discriminator_activation']!r}",
        f"Discriminator.learning_rate = {DISCRIMINATOR_LEARNING_RATE}",
        "Discriminator.loss_terms = [@bce_loss]",
        f"Discriminator.num_epochs = {rows // NUM_TRANSITIONS}",
        f"Discriminator.batch_size = {SETTINGS['discriminator_batch_size']}",
        f"Discriminator.reward_fn = @{options.reward}",
        "Discriminator.reward_transforms = []",
    ]


def make_generator(options: argparse.Namespace, more: Sequence[str] = ()):
    """Generator and discriminator as gail-train builds them, without evaluation, logs and checkpoints.

    ``more`` are gin bindings on top.
    """
    import tensorflow as tf

    from gail_tf.assembly import settings  # noqa: F401 - gin knows every part
    from gail_tf.assembly.config import parse_gin
    from gail_tf.assembly.expert import load_demonstrations, prepare_expert
    from gail_tf.discriminators.discriminator import Discriminator
    from gail_tf.environments.actions import ActionCodec
    from gail_tf.environments.make import make_environment
    from gail_tf.generators.on_policy import OnPolicyGenerator

    parse_gin(["gail_ppo/any"], [*gin_bindings(options), *more])
    probe = make_environment()
    codec = ActionCodec(probe.action_space, options.environment)
    expert = prepare_expert(load_demonstrations(), probe, codec, run_seed=options.seed)
    probe.close()
    tf.keras.utils.set_random_seed(options.seed)
    discriminator = Discriminator(expert.transitions, codec.num_actions)
    return OnPolicyGenerator(make_environment, discriminator, expert.transitions, options.seed)


def run_rounds(generator, rounds: Sequence[int], stopwatch: Stopwatch) -> float:
    """Trains for these rounds; returns the wall seconds, and adds the phases' to ``stopwatch``."""
    start = time.perf_counter()
    for index in rounds:
        begin = time.perf_counter()
        generator.collect(index)
        stopwatch.seconds["collect"] += time.perf_counter() - begin
        metrics = generator.update(index, 0.0)
        stopwatch.seconds["discriminator"] += metrics["time/discriminator_seconds"]
        stopwatch.seconds["policy_update"] += metrics["time/generator_seconds"]
    return time.perf_counter() - start


def measure_gail(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of whole rounds, in all and by phase; warm-up rounds (compilation) apart."""
    generator = make_generator(options)
    stopwatch = Stopwatch()
    environment = generator._environment
    environment.step = stopwatch.timed("simulator", environment.step)
    generator._sampler.sample = stopwatch.timed("policy", generator._sampler.sample)
    num_warmup = options.num_warmup_rounds
    num_rounds = -(-options.env_steps // NUM_TRANSITIONS)
    warmup_seconds = run_rounds(generator, range(num_warmup), stopwatch)
    stopwatch.seconds.clear()
    wall_seconds = run_rounds(generator, range(num_warmup, num_warmup + num_rounds), stopwatch)
    environment.close()
    seconds = dict(stopwatch.seconds)
    collect = seconds.pop("collect")
    seconds["rest_of_collect"] = collect - seconds["simulator"] - seconds["policy"]
    seconds["other"] = wall_seconds - sum(seconds.values())
    return {
        "env_steps": num_rounds * NUM_TRANSITIONS,
        "wall_seconds": wall_seconds,
        "warmup_seconds": warmup_seconds,
        "seconds": {name: seconds[name] for name in PHASES},
    }


def measure_simulator(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of stepping the same vector of environments with random actions, drawn beforehand."""
    import gin
    from gymnasium.vector.utils import batch_space

    from gail_tf.environments.make import make_environment
    from gail_tf.environments.vector import VectorEnvironment

    gin.bind_parameter("make_simulators.num_threads", options.num_threads)
    make = functools.partial(make_environment, options.environment)
    probe = make()
    space = batch_space(probe.action_space, options.num_envs)
    probe.close()
    space.seed(options.seed)
    environment = VectorEnvironment(make, options.num_envs, options.seed)
    actions = [space.sample() for _ in range(NUM_TRANSITIONS // options.num_envs)]
    num_rounds = -(-options.env_steps // NUM_TRANSITIONS)
    for _ in range(options.num_warmup_rounds):
        for action in actions:
            environment.step(action)
    start = time.perf_counter()
    for _ in range(num_rounds):
        for action in actions:
            environment.step(action)
    wall_seconds = time.perf_counter() - start
    environment.close()
    return {"env_steps": num_rounds * NUM_TRANSITIONS, "wall_seconds": wall_seconds}


def child_main(options: argparse.Namespace) -> None:
    """Measures what ``--child`` names and prints the line of JSON."""
    # The libraries talk on standard output; ours is for the one line.
    with contextlib.redirect_stdout(sys.stderr):
        from gail_tf.start_up import import_tensorflow

        import_tensorflow()
        from gail_tf.training.run_directory import git_state, versions

        result = {"gail": measure_gail, "simulator": measure_simulator}[options.child](options)
        result["env_steps_per_second"] = result["env_steps"] / result["wall_seconds"]
        result |= {"versions": versions(), "git": git_state()}
    print(json.dumps(result))


# --- The driver: children one after the other, ratios, tables. ---


def run_child(
    command: Sequence[str], name: str, with_python_path: bool = True, num_threads: int = 1
) -> dict[str, Any]:
    """Runs one measurement and returns what it printed.

    Raises:
      ChildError: it failed; one line with the end of what it wrote to standard error.
    """
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = dict(os.environ) | dict.fromkeys(threads, str(num_threads))
    if not with_python_path:
        environment.pop("PYTHONPATH", None)  # the peer must not find our packages
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment
        )
    except OSError as error:
        raise ChildError(f"{name} cannot be started: {command[0]}: {error.strerror}") from error
    tail = " | ".join([line.strip() for line in done.stderr.splitlines() if line.strip()][-3:])
    if done.returncode:
        raise ChildError(f"{name} failed with exit code {done.returncode}: {tail or 'nothing on stderr'}")
    try:
        return json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError) as error:
        raise ChildError(f"{name} printed no line of JSON: {tail or 'nothing on stderr'}") from error


def common_flags(options, environment: str, demonstrations: Path, seed: int, num_envs: int) -> list[str]:
    """The flags that ours and the peer's children share."""
    return [
        f"--environment={environment}",
        f"--demonstrations={demonstrations}",
        f"--env_steps={options.env_steps}",
        f"--num_warmup_rounds={options.num_warmup_rounds}",
        f"--num_envs={num_envs}",
        f"--seed={seed}",
    ]


def child_command(options, program: str, flags: Sequence[str], num_envs: int) -> list[str]:
    """The command that measures ``program``, one of PROGRAMS."""
    if program != "imitation":
        child = "simulator" if program == "simulator" else "gail"
        command = [sys.executable, str(HERE / "speed.py"), f"--child={child}", *flags]
        command += [f"--reward={options.reward}", f"--num_threads={options.num_threads}"]
        return command + ["--without_xla"] * (program == "gail_without_xla")
    command = [options.peer_python, str(HERE / "imitation_peer.py"), *flags]
    command += [f"--num_steps={NUM_TRANSITIONS // num_envs}", f"--num_threads={options.num_threads}"]
    command += ["--parallel"] * options.peer_parallel
    for name, value in SETTINGS.items():
        command += [f"--{name}", *map(str, value if isinstance(value, tuple) else (value,))]
    return command


def measure(options, program: str, environment: str, path: Path, repetition: int, num_envs: int) -> dict:
    """One measurement, with what it is of; says on standard error how fast it was."""
    name = f"{PROGRAMS[program]}, {environment}, {num_envs} environments, repetition {repetition + 1}"
    is_peer = program == "imitation"
    # The peer's Gymnasium has no v5; v4 is the same model, stepped alike, and ours steps only v5 in a batch.
    of = environment.replace("-v5", "-v4") if is_peer else environment
    flags = common_flags(options, of, path, repetition, num_envs)
    command = child_command(options, program, flags, num_envs)
    result = run_child(command, name, not is_peer, options.num_threads if is_peer else 1)
    result.pop("flags", None)  # the peer's: they hold paths, and are ours anyway
    print(f"{name}: {result['env_steps_per_second']:,.0f} steps/s", file=sys.stderr, flush=True)
    what = {"program": program, "environment": environment, "num_envs": num_envs, "repetition": repetition}
    return what | result


def measure_all(options, environment: str, path: Path, record: Callable[[str, dict], None]) -> None:
    """Every measurement in one environment, handed to ``record`` as (part, measurement)."""
    for repetition in range(options.repetitions):
        for program in PROGRAMS:
            record("comparison", measure(options, program, environment, path, repetition, options.num_envs))
    for repetition in range(options.repetitions):
        for num_envs in options.scaling:
            record("scaling", measure(options, "gail", environment, path, repetition, num_envs))


def roll_out_cartpole(environment: str, path: Path, num_episodes: int = 10) -> None:
    """Writes episodes of a scripted expert: push to the side where the pole is and falls to."""
    import gymnasium as gym

    names = ("observations", "actions", "rewards", "next_observations", "terminals", "timeouts")
    rows = []
    env = gym.make(environment)
    for seed in range(num_episodes):
        observation, _ = env.reset(seed=seed)
        over = False
        while not over:
            action = int(observation[2] + observation[3] > 0.0)
            following, reward, terminated, truncated, _ = env.step(action)
            rows.append((observation, action, reward, following, terminated, truncated))
            observation, over = following, terminated or truncated
    env.close()
    np.savez(path, **{n: np.array(v) for n, v in zip(names, zip(*rows, strict=True), strict=True)})


def ratio_summary(numerators: Sequence[float], denominators: Sequence[float]) -> dict[str, Any]:
    """Ratios pair by pair, their median and their range."""
    ratios = [n / d for n, d in zip(numerators, denominators, strict=True)]
    return {"pairs": ratios, "median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}


def steps_per_second(measurements: Sequence[Mapping]) -> list[float]:
    return [m["env_steps_per_second"] for m in measurements]


def update_microseconds(measurements: Sequence[Mapping]) -> list[float]:
    """Of discriminator and policy, per environment step, by repetition."""
    return [1e6 * sum(m["seconds"][phase] for phase in UPDATES) / m["env_steps"] for m in measurements]


def phase_microseconds(measurements: Sequence[Mapping]) -> dict[str, float]:
    """Microseconds per environment step by phase, and in all: of each the median over the repetitions."""
    costs = {
        phase: statistics.median(1e6 * m["seconds"][phase] / m["env_steps"] for m in measurements)
        for phase in PHASES
    }
    return costs | {"total": statistics.median(1e6 / speed for speed in steps_per_second(measurements))}


def summarize(comparison: Sequence[Mapping], scaling: Sequence[Mapping]) -> dict[str, Any]:
    """What the measurements of one environment come to."""
    by_program = {p: [m for m in comparison if m["program"] == p] for p in PROGRAMS}
    speeds = {program: steps_per_second(found) for program, found in by_program.items()}
    ours, without_xla = by_program["gail"], by_program["gail_without_xla"]
    return {
        "env_steps_per_second": speeds,
        "ratios": {
            "gail_tf to imitation": ratio_summary(speeds["gail"], speeds["imitation"]),
            "gail_tf to the simulator alone": ratio_summary(speeds["gail"], speeds["simulator"]),
            "with XLA to without": ratio_summary(speeds["gail"], speeds["gail_without_xla"]),
            "update time without XLA to with": ratio_summary(
                update_microseconds(without_xla), update_microseconds(ours)
            ),
        },
        "microseconds": phase_microseconds(ours),
        "warmup_seconds": {
            p: statistics.median(m["warmup_seconds"] for m in by_program[p])
            for p in ("gail", "gail_without_xla")
        },
        "scaling": {
            str(n): phase_microseconds([m for m in scaling if m["num_envs"] == n])
            for n in sorted({m["num_envs"] for m in scaling})
        },
    }


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown; the first column is text, the others numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def speed_table(summary: Mapping) -> str:
    speeds = summary["env_steps_per_second"]
    repetitions = [str(i + 1) for i in range(len(speeds["gail"]))]
    rows = [
        [PROGRAMS[p], *(f"{v:,.0f}" for v in values), f"{statistics.median(values):,.0f}"]
        for p, values in speeds.items()
    ]
    return table(["environment steps per second", *repetitions, "median"], rows)


def ratio_table(summary: Mapping) -> str:
    rows = [
        [name, *(f"{r:.2f}" for r in ratio["pairs"]), *(f"{ratio[k]:.2f}" for k in ("median", "min", "max"))]
        for name, ratio in summary["ratios"].items()
    ]
    repetitions = [str(i + 1) for i in range(len(rows[0]) - 4)]
    return table(["ratio", *repetitions, "median", "min", "max"], rows)


def breakdown_table(summary: Mapping) -> str:
    costs = summary["microseconds"]
    total = sum(costs[phase] for phase in PHASES)
    rows = [[label, f"{costs[phase]:.1f}", f"{costs[phase] / total:.0%}"] for phase, label in PHASES.items()]
    return table(["gail_tf's time", "µs per environment step", "share"], rows)


def scaling_table(summary: Mapping) -> str:
    """Cost per environment step, a row for each number of environments."""
    rows = [
        [
            n,
            str(NUM_TRANSITIONS // int(n)),
            *(f"{costs[phase]:.1f}" for phase in ("simulator", "policy", "rest_of_collect")),
            f"{sum(costs[phase] for phase in UPDATES):.1f}",
            f"{costs['total']:.1f}",
            f"{1e6 / costs['total']:,.0f}",
        ]
        for n, costs in summary["scaling"].items()
    ]
    labels = [f"{PHASES[phase]}, µs" for phase in ("simulator", "policy", "rest_of_collect")]
    return table(["environments", "steps each", *labels, "updates, µs", "in all, µs", "steps/s"], rows)


def markdown(results: Mapping) -> str:
    """The tables of every environment, and what they were measured on."""
    parts = []
    for environment, summary in results["summary"].items():
        parts += [f"### {environment}", speed_table(summary), ratio_table(summary), breakdown_table(summary)]
        parts += [scaling_table(summary)] if summary["scaling"] else []
        compiled, plain = (summary["warmup_seconds"][p] for p in ("gail", "gail_without_xla"))
        parts += [
            f"Warm-up with compilation, left out above: {compiled:.0f} s with XLA, {plain:.0f} s without."
        ]
    machine, versions = results["machine"], results["versions"]
    parts += [
        f"{machine['cpu']}, {machine['num_cpus']} CPUs, {results['settings']['num_threads']} threads a side."
    ]
    parts += [f"{PROGRAMS[p]}: {', '.join(f'{k} {v}' for k, v in versions[p].items())}." for p in versions]
    return "\n\n".join(parts)


def describe_machine() -> dict[str, Any]:
    """CPU, system, and how busy it was before the first measurement."""
    cpu = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), cpu)
    system = f"{platform.system()} {platform.machine()}"
    return {"cpu": cpu, "num_cpus": os.cpu_count(), "system": system, "load_average": os.getloadavg()[0]}


def new_results(options) -> dict[str, Any]:
    """The JSON before any measurement; paths of this machine are left out."""
    names = ("env_steps", "num_warmup_rounds", "num_envs", "num_threads", "repetitions", "reward")
    settings = {name: getattr(options, name) for name in names} | SETTINGS
    settings["demonstrations"] = options.demonstrations.name if options.demonstrations else None
    return {
        "machine": describe_machine(),
        "settings": settings | {"num_transitions": NUM_TRANSITIONS},
        "versions": {},
        "git": None,
        "summary": {},
        "measurements": {"comparison": [], "scaling": []},
    }


def driver_main(options) -> None:
    """Measures everything, saving after each measurement, and prints the tables."""
    from gail_tf.files import write_atomically

    results = new_results(options)
    if results["machine"]["load_average"] > 0.5:
        print("note: the machine is busy with something else; figures will be off.", file=sys.stderr)

    def record(part, measurement):
        versions, git = measurement.pop("versions"), measurement.pop("git", None)
        if measurement["program"] in ("gail", "imitation"):
            results["versions"][measurement["program"]] = versions
        results["git"] = git or results["git"]
        results["measurements"][part].append(measurement)
        write_atomically(options.out, json.dumps(results, indent=1) + "\n")

    def found(part, environment):
        return [m for m in results["measurements"][part] if m["environment"] == environment]

    with tempfile.TemporaryDirectory() as folder:
        for environment in options.environments:
            path = options.demonstrations
            if is_scripted(environment):
                path = Path(folder) / f"{environment}.npz"
                roll_out_cartpole(environment, path)
            measure_all(options, environment, path, record)
            parts = (found(part, environment) for part in ("comparison", "scaling"))
            results["summary"][environment] = summarize(*parts)
            write_atomically(options.out, json.dumps(results, indent=1) + "\n")
    print(markdown(results))


def is_scripted(environment: str) -> bool:
    """Whether the driver makes the demonstrations itself."""
    return environment.startswith("CartPole-")


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value}: want 1 or more")
    return value


def divisor(text: str) -> int:
    value = positive(text)
    if NUM_TRANSITIONS % value:
        raise argparse.ArgumentTypeError(f"{value} does not divide {NUM_TRANSITIONS}, a batch's transitions")
    return value


def add_shared_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--env_steps", type=positive, default=30_000, help="to time, at least")
    parser.add_argument("--num_warmup_rounds", type=positive, default=1, help="before the clock starts")
    parser.add_argument("--num_envs", type=divisor, default=8)
    parser.add_argument("--num_threads", type=positive, default=2, help="that each side may use")
    parser.add_argument("--reward", default="plr", help="ours, a function of rewards.py")


def parse_child_flags(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="One measurement; speed.py without --child starts these.")
    parser.add_argument("--child", choices=("gail", "simulator"), required=True)
    parser.add_argument("--environment", required=True)
    parser.add_argument("--demonstrations")
    parser.add_argument("--without_xla", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    add_shared_flags(parser)
    return parser.parse_args(arguments)


def parse_flags(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--peer_python", required=True, help="interpreter of the peer's virtual environment")
    parser.add_argument(
        "--demonstrations", type=Path, help="npz for every environment but CartPole, whose expert is scripted"
    )
    parser.add_argument("--environments", nargs="+", default=["Hopper-v5", "CartPole-v1"])
    parser.add_argument("--peer_parallel", action="store_true", help="the peer: one process an environment")
    parser.add_argument("--repetitions", type=positive, default=3)
    parser.add_argument(
        "--scaling",
        type=divisor,
        nargs="*",
        default=[1, 2, 4, 8, 16, 32],
        help="numbers of environments; none leaves it out",
    )
    parser.add_argument("--out", type=Path, default=HERE / "results" / "speed.json")
    add_shared_flags(parser)
    options = parser.parse_args(arguments)
    if not all(map(is_scripted, options.environments)):
        if options.demonstrations is None:
            parser.error("--demonstrations=FILE.npz is needed for every environment but CartPole")
        if not options.demonstrations.is_file():
            parser.error(f"--demonstrations={shlex.quote(str(options.demonstrations))}: no such file")
        options.demonstrations = options.demonstrations.resolve()
    return options


def main() -> int:
    arguments = sys.argv[1:]
    if any(argument.startswith("--child") for argument in arguments):
        child_main(parse_child_flags(arguments))
        return 0
    options = parse_flags(arguments)
    try:
        driver_main(options)
    except ChildError as error:
        print(f"speed.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
