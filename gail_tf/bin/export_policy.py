"""gail-export-policy: writes a run's policy as a SavedModel, ONNX or TensorFlow Lite, or to share it.

  gail-export-policy RUN_DIR --out=FOLDER [--format=savedmodel|onnx|tflite] [--best|--last]
  gail-export-policy RUN_DIR --out=FOLDER --model_card [--license=mit] [--film=FILE.mp4] [--push=USER/NAME]

A SavedModel needs nothing but TensorFlow. Its signatures, for any batch size: serving_default(observation) is
the policy's mode, sampled(observation, seed) a sample; observations go in as the environment gives them,
actions come out in its units. policy.onnx and policy.tflite hold the mode. policy.json goes with each.
--model_card writes a folder for the Hugging Face Hub: policy, README.md, curve, settings, results.json.
Without --push nothing leaves this machine.

Examples:

  gail-export-policy runs/hopper --out=hopper_policy
  gail-export-policy runs/hopper --best --format=onnx --out=hopper_onnx        (pip install 'gail_tf[onnx]')
  gail-export-policy runs/hopper --model_card --license=mit --out=hopper_card
  gail-export-policy runs/hopper --model_card --out=hopper_card --push=me/hopper-gail  (... 'gail_tf[hub]')
"""

import os
import sys
from collections.abc import Sequence

from absl import flags

from gail_tf.bin.command_line import run_main
from gail_tf.errors import UserError
from gail_tf.files import require_new
from gail_tf.start_up import import_tensorflow
from gail_tf.training import saved_models

_RUN_DIR = flags.DEFINE_string(
    "run_dir", None, "The run, or an exported policy; the first argument does too."
)
_OUT = flags.DEFINE_string("out", None, "The folder to write; never overwritten.")
_BEST = flags.DEFINE_bool(
    "best", False, "The policy of the best evaluation in place of the one that is kept."
)
_LAST = flags.DEFINE_bool("last", False, "The last policy in place of the one that is kept.")
_FORMAT = flags.DEFINE_enum("format", "savedmodel", ["savedmodel", "onnx", "tflite"], "What to write.")
_MODEL_CARD = flags.DEFINE_bool("model_card", False, "Write a folder for the Hugging Face Hub.")
_LICENSE = flags.DEFINE_string(
    "license", None, "Of the model card, as the Hub names it: mit, apache-2.0, ..."
)
_FILM = flags.DEFINE_string("film", None, "A film for the model card, of gail-evaluate --video.")
_PUSH = flags.DEFINE_string(
    "push", None, "USER/NAME on the Hugging Face Hub to upload the model card's folder to."
)


def main(argv: Sequence[str]) -> None:
    run_dir = _run_dir(argv)
    _check_flags()
    source = saved_models.policy_of(run_dir, _BEST.value, _LAST.value)  # before TensorFlow is imported
    import_tensorflow()
    from gail_tf.training import model_card, portable
    from gail_tf.training.run_directory import note_of_older

    if note := note_of_older(source):
        print(f"note: {note}", file=sys.stderr)
    out = os.path.expanduser(_OUT.value)
    if not _MODEL_CARD.value:
        print(portable.FORMATS[_FORMAT.value](source, out))
        return
    # What is missing for it is said before anything is written.
    push = model_card.uploader(_PUSH.value) if _PUSH.value else None
    print(model_card.write(run_dir, source, out, _LICENSE.value, _FILM.value), flush=True)
    if push:
        print(push(out))


def _run_dir(argv: Sequence[str]) -> str:
    given = [*argv[1:], *filter(None, [_RUN_DIR.value])]
    if len(given) != 1 or not _OUT.value:
        raise UserError(
            "want one RUN_DIR and --out=FOLDER: gail-export-policy runs/hopper --out=hopper_policy."
        )
    return given[0]


def _check_flags() -> None:
    require_new("out", _OUT.value)
    if _MODEL_CARD.value and _FORMAT.value != "savedmodel":
        raise UserError(f"--model_card holds the SavedModel: leave --format={_FORMAT.value} out.")
    if _MODEL_CARD.value and (_BEST.value or _LAST.value):
        raise UserError("--model_card is about the policy that is kept: leave --best and --last out.")
    for flag in (_LICENSE, _FILM, _PUSH):
        if flag.value and not _MODEL_CARD.value:
            raise UserError(f"--{flag.name} is of a model card: add --model_card or leave it out.")


def run() -> None:
    """Entry point of the console script."""
    run_main(main, num_arguments=1)


if __name__ == "__main__":
    run()
