"""Exported policies in other formats: ONNX and TensorFlow Lite, compared with the SavedModel.

What is converted is the policy's mode. Neither format can raise, so a NaN in an observation is not refused
there, and what comes out then is undefined.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from gail_tf.environments.third_party import any_error_as_user_error
from gail_tf.errors import UserError
from gail_tf.files import new_folder, write_atomically
from gail_tf.machine import pip_install
from gail_tf.training.export import METADATA, check_outside, copy_policy, load_policy
from gail_tf.training.run_directory import write_errors_as_user_errors
from gail_tf.training.saved_models import find_policy

# Of every operator set from 13 on; onnxruntime has read this one since 1.10 (2021).
_OPSET = 15
_SIGNATURE = "serving_default"
_TOLERANCE, _OTHER_ACTIONS = 1e-3, 0.02  # of the largest action; of discrete ones a share: ties
_COMPARED_ROWS = 256
_ADVICE = "an operation of its network has no counterpart there: deploy the SavedModel"

Act = Callable[[np.ndarray], np.ndarray]
"""Observations ``[B, ...]`` -> actions ``[B, ...]``."""


def export_onnx(source: str | os.PathLike, out: str | os.PathLike) -> str:
    """Writes ``policy.onnx`` and ``policy.json`` to the folder ``out``; returns what to print.

    The input is ``observation``, the output ``action``, with types and shapes of the SavedModel's.
    """
    for package in ("tf2onnx", "onnx", "onnxruntime"):
        try:
            __import__(package)
        except ImportError as e:
            raise UserError(f"--format=onnx needs {package}: {pip_install('gail_tf[onnx]')}") from e
    return _export(source, Path(out), "policy.onnx", _as_onnx, _act_of_onnx)


def export_tflite(source: str | os.PathLike, out: str | os.PathLike) -> str:
    """Writes ``policy.tflite`` and ``policy.json`` to the folder ``out``; returns what to print.

    Its signature is ``serving_default``, of ``observation`` and ``action`` as in the SavedModel.
    """
    return _export(source, Path(out), "policy.tflite", _as_tflite, _act_of_tflite)


FORMATS = {"savedmodel": copy_policy, "onnx": export_onnx, "tflite": export_tflite}
"""Name of a format -> function from a policy's folder and the folder to write, to what is printed."""


def _export(source, out: Path, name: str, convert: Callable, load: Callable[[bytes], Act]) -> str:
    source = find_policy(source)
    check_outside(source, out)
    model, metadata = load_policy(source)
    specs = model.signatures["serving_default"].structured_input_signature[1]
    spec = tf.TensorSpec(specs["observation"].shape, specs["observation"].dtype, name="observation")
    # Policies of before this format have checked functions only.
    mode = getattr(model, "unchecked", model.deterministic)
    with any_error_as_user_error(f"{source}: cannot be written as {name}", _ADVICE):
        content = convert(
            tf.function(lambda observation: {"action": mode(observation)}, autograph=False), spec
        )
        difference = largest_difference(mode, load(content), spec)
    with write_errors_as_user_errors(f"{out}:", "choose another folder"), new_folder(out) as temporary:
        write_atomically(temporary / name, content)
        if (source / METADATA).is_file():
            shutil.copy(source / METADATA, temporary)
    lines = [
        f"Exported {source} to {out / name}",
        f"  observation: {spec.dtype.name} {spec.shape} -> action, the policy's mode",
        f"  of {_COMPARED_ROWS} random observations no action differs by more than {difference:.1e} "
        "from the SavedModel's",
    ]
    if metadata.get("stochastic"):
        lines.append("  note: its run was evaluated with sampled actions, which the SavedModel alone gives")
    return "\n".join(lines)


def _as_onnx(signature_fn: Callable, spec: tf.TensorSpec) -> bytes:
    import logging

    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)  # its complaints come back as an error of ours
    proto, _ = tf2onnx.convert.from_function(signature_fn, [spec], opset=_OPSET)
    return proto.SerializeToString()


def _act_of_onnx(content: bytes) -> Act:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda observations: session.run(["action"], {"observation": observations})[0]


def _as_tflite(signature_fn: Callable, spec: tf.TensorSpec) -> bytes:
    function = signature_fn.get_concrete_function(spec)
    module = tf.Module()
    module.weights = function.variables  # what a function reads is saved with an object that holds it
    # A concrete function alone loses the names of its input and output; a SavedModel's signature keeps them.
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, {_SIGNATURE: function})
        return tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[_SIGNATURE]).convert()


def _act_of_tflite(content: bytes) -> Act:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the interpreter's future name
        interpreter = tf.lite.Interpreter(model_content=content, num_threads=1)
    runner = interpreter.get_signature_runner(_SIGNATURE)
    return lambda observations: runner(observation=observations)["action"]


def largest_difference(mode: Callable, act: Act, spec: tf.TensorSpec) -> float:
    rng = np.random.default_rng(0)
    shape = (_COMPARED_ROWS, *spec.shape[1:])
    is_image = spec.dtype == tf.uint8
    rows = rng.integers(256, size=shape, dtype=np.uint8) if is_image else rng.normal(size=shape)
    rows = rows.astype(spec.dtype.as_numpy_dtype)
    expected, given = mode(tf.constant(rows)).numpy(), act(rows)
    if given.shape != expected.shape or given.dtype != expected.dtype:
        raise ValueError(f"it gives {given.dtype} {given.shape}, want {expected.dtype} {expected.shape}")
    difference = float(np.abs(given.astype(np.float64) - expected).max())
    if np.issubdtype(expected.dtype, np.integer):
        if (share := float((given != expected).mean())) > _OTHER_ACTIONS:
            raise ValueError(f"of {_COMPARED_ROWS} random observations it gives {share:.0%} another action")
    elif not difference <= _TOLERANCE * max(1.0, float(np.abs(expected).max())):  # a NaN is none
        raise ValueError(f"its actions differ by up to {difference:.2g}")
    return difference
