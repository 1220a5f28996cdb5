"""A stable-baselines3 policy in a process of its own: PyTorch's and TensorFlow's LLVM end one that has both.

  python stable_baselines3_worker.py FILE.zip ALGORITHM DETERMINISTIC

Imports nothing of the package. Writes a line of JSON: the spaces, or what went wrong. Then it answers each
array of observations on stdin with one of actions on stdout, each as npy after its length, 8 bytes.
"""

import io
import json
import os
import sys


def _spaces(model) -> dict:
    def told(space) -> dict:
        kind = type(space).__name__
        size = int(space.n) if kind == "Discrete" else list(space.shape or ())
        return {"kind": kind, "size": size, "text": " ".join(str(space).split())}

    return {name: told(getattr(model, name)) for name in ("observation_space", "action_space")}


def main() -> None:
    path, algorithm, deterministic = sys.argv[1:]
    # What libraries print must not come between the arrays.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sys.modules["tensorflow"] = None  # PyTorch's TensorBoard writer would import it
    try:
        import numpy as np
        import stable_baselines3

        model = getattr(stable_baselines3, algorithm).load(path, device="cpu")
        reply = _spaces(model)
    except Exception as error:
        reply = {"error": f"{type(error).__name__}: {error}", "missing": getattr(error, "name", None)}
    answers.write(json.dumps(reply).encode() + b"\n")
    answers.flush()
    while "error" not in reply and (length := sys.stdin.buffer.read(8)):
        content = sys.stdin.buffer.read(int.from_bytes(length, "big"))
        observations = np.load(io.BytesIO(content), allow_pickle=False)
        actions = model.predict(observations, deterministic=deterministic == "True")[0]
        content = io.BytesIO()
        np.save(content, np.asarray(actions), allow_pickle=False)
        answers.write(len(content.getvalue()).to_bytes(8, "big") + content.getvalue())
        answers.flush()


if __name__ == "__main__":
    main()
