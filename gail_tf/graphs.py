"""What a SavedModel's graph holds, read off its file before anything of it is loaded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gail_tf.errors import UserError
from gail_tf.files import check_readable

# Operations that reach out of the graph. No policy and no reward needs one.
_REACHING_OUT = frozenset(
    "PyFunc PyFuncStateless EagerPyFunc ReadFile WriteFile MatchingFiles PrintV2 Print "
    "FixedLengthRecordReaderV2 TextLineReaderV2 "
    "TFRecordReaderV2 WholeFileReaderV2 TextLineDataset TFRecordDatasetV2 WriteSummary "
    "CreateSummaryFileWriter SaveDatasetV2 LoadDataset RpcCall RpcServer RemoteCall".split()
)


def checked_graph(folder: Path, wanted: str) -> Any:
    """The graph and the signatures of the SavedModel in ``folder``; nothing is loaded.

    A SavedModel is a program: TensorFlow runs what its graph says. This finds a wrong or a clumsy one; it is
    no sandbox.

    Args:
      wanted: what to give in its place, for the error's line.

    Raises:
      UserError: it cannot be read, or has an operation that reads or writes outside of the graph.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    check_readable(f"{folder}:", folder, "rename it, or give its path from within")
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString((folder / "saved_model.pb").read_bytes())
        graph = model.meta_graphs[0]
    except (OSError, DecodeError, IndexError) as e:
        reason = getattr(e, "strerror", None) or "saved_model.pb is damaged"
        raise UserError(f"{folder}: is no SavedModel ({reason}); export it again.") from e
    if found := sorted(_REACHING_OUT.intersection(_operations(graph.graph_def))):
        raise UserError(
            f"{folder}: its graph reads or writes outside of itself ({', '.join(found)}) and is not loaded; "
            f"give {wanted}."
        )
    return graph


def _operations(graph: Any) -> Iterator[str]:
    yield from (node.op for node in graph.node)
    for function in graph.library.function:
        yield from (node.op for node in function.node_def)
