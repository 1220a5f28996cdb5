"""Where a SavedModel is and what it says of itself, read before anything in it is loaded."""

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from gail_tf.files import check_readable
from gail_tf.types import UserError

Tensors = Mapping[str, tuple[Collection[str], Collection[str]]]
"""Name of a signature -> names of the inputs and of the outputs that it has to have."""

# Operations that reach out of the graph. No policy and no reward of ours needs one.
_REACHING_OUT = frozenset(
    "PyFunc PyFuncStateless EagerPyFunc ReadFile WriteFile MatchingFiles PrintV2 Print "
    "FixedLengthRecordReaderV2 TextLineReaderV2 "
    "TFRecordReaderV2 WholeFileReaderV2 TextLineDataset TFRecordDatasetV2 WriteSummary "
    "CreateSummaryFileWriter SaveDatasetV2 LoadDataset RpcCall RpcServer RemoteCall".split()
)


def find_policy(path: str | os.PathLike) -> Path:
    """The SavedModel that ``path`` names: itself, or the ``policy/`` of a run directory."""
    path = Path(path)
    for candidate in (path, path / "policy"):
        if (candidate / "saved_model.pb").is_file():
            return candidate
    if (path / "run.json").is_file():
        raise UserError(f"{path}: the run has no policy/ yet; let it finish (perhaps by --resume) first.")
    what = "holds no policy" if path.exists() else "there is no such path"
    raise UserError(f"{path}: {what}; give a run directory or a folder with saved_model.pb.")


def policy_of(path: str | os.PathLike, best: bool = False, last: bool = False) -> Path:
    """The SavedModel of a run's policy: the one that is kept, the best by return, or the last."""
    if best and last:
        raise UserError(
            "--best and --last exclude each other: give one, or none for the policy that is kept."
        )
    return find_policy(Path(path) / ("best_policy" if best else "last_policy") if best or last else path)


def check_signatures(folder: Path, wanted: Tensors, what: str) -> None:
    """Raises UserError unless the SavedModel in ``folder`` has the ``wanted`` signatures and no other reach.

    A SavedModel is a program: TensorFlow runs what its graph says. This finds a wrong or a clumsy one; it is
    no sandbox.
    """
    graph = parsed(folder)
    for name, (inputs, outputs) in wanted.items():
        signature = graph.signature_def.get(name)
        given = None if signature is None else (set(signature.inputs), set(signature.outputs))
        if given is None or not (set(inputs) <= given[0] and set(outputs) <= given[1]):
            said = "has no signature" if given is None else "has another signature"
            raise UserError(f"{folder}: is a SavedModel of something else ({said} {name!r}); give {what}.")
    if found := sorted(_REACHING_OUT.intersection(_operations(graph.graph_def))):
        raise UserError(
            f"{folder}: its graph reads or writes outside of itself ({', '.join(found)}) and is not loaded; "
            f"give {what}."
        )


def parsed(folder: Path) -> Any:
    """The graph and the signatures of a SavedModel, read off its file: nothing is loaded."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    check_readable(f"{folder}:", folder, "rename it, or give its path from within")
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString((folder / "saved_model.pb").read_bytes())
        return model.meta_graphs[0]
    except (OSError, DecodeError, IndexError) as e:
        reason = getattr(e, "strerror", None) or "saved_model.pb is damaged"
        raise UserError(f"{folder}: is no SavedModel ({reason}); export it again.") from e


def _operations(graph: Any) -> Iterator[str]:
    yield from (node.op for node in graph.node)
    for function in graph.library.function:
        yield from (node.op for node in function.node_def)


def described_signatures(model: Any) -> list[str]:
    """A line for every signature of a loaded SavedModel: its inputs and outputs with type and shape."""
    lines = []
    for name, function in model.signatures.items():
        inputs, outputs = (
            ", ".join(f"{k}: {v.dtype.name} {v.shape}" for k, v in specs.items())
            for specs in (function.structured_input_signature[1], function.structured_outputs)
        )
        lines.append(f"  {name}({inputs}) -> {outputs}")
    return lines
