"""Seconds from the start of a process to the first iteration that learned, without compiled code and with it.

    python benchmarks/start.py [--configs gail_ppo/hopper dac_td3/hopper sac_gail/hopper mgail/hopper]

A cold run has an empty folder of compiled code, a warm one that of the run before it, whose seed is another:
the second run of a study. Random steps and warm-ups before that iteration count, and runs end after it.
Nothing else should run on the machine.
Seconds to 90% of the expert, compilation included, are in the tables that gail-report makes of a study.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIGS = ("gail_ppo/hopper", "dac_td3/hopper", "sac_gail/hopper", "mgail/hopper")


def first_learned(config, seed, folder) -> float:
    """Seconds until a line of the run's metrics has a discriminator that learned; it is ended then."""
    run_dir = Path(folder) / f"run_{seed}"
    command = [sys.executable, "-m", "gail_tf.bin.train", f"--config={config}", f"--run_dir={run_dir}"]
    command += [f"--seed={seed}", "--gin=Trainer.log_interval = 1"]
    environment = os.environ | {"GAIL_TF_CACHE": str(Path(folder) / "cache")}
    start = time.perf_counter()
    with open(Path(folder) / "output", "w+") as output:
        child = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        metrics = run_dir / "metrics.jsonl"
        while not (metrics.is_file() and b'"discriminator/loss"' in metrics.read_bytes()):
            if child.poll() is not None:
                output.seek(0)
                sys.exit(f"{config}: {output.read().strip().splitlines()[-1]}")
            time.sleep(0.02)
        seconds = time.perf_counter() - start
        child.kill()
        child.wait()
    return seconds


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--configs", nargs="+", default=CONFIGS)
    parser.add_argument("--repetitions", type=int, default=5, help="of the warm start")
    options = parser.parse_args()
    print("| recipe | cold, s | warm, s |\n| --- | ---: | ---: |")
    for config in options.configs:
        with tempfile.TemporaryDirectory() as folder:
            cold = first_learned(config, 0, folder)
            warm = statistics.median(first_learned(config, 1 + i, folder) for i in range(options.repetitions))
        print(f"| {config} | {cold:.1f} | {warm:.1f} |", flush=True)


if __name__ == "__main__":
    main()
