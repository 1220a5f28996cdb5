"""One module a format. A reader looks into what ``path`` names and reads it, or returns None to pass it on.

To add a format, write a module with ``read(path) -> Demonstrations | None`` and put it into READERS, or, if
it is a single file, into FILE_READERS (``files.py``), so that folders of such files are read too. A format
whose rows are like D4RL's only has to find its arrays: ``d4rl.from_fields`` does the rest. One whose episodes
hold T + 1 observations gives them to ``trajectories.from_trajectories``.
"""

from collections.abc import Callable

from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.readers import folder, imitation, lerobot, minari
from gail_tf.demonstrations.readers.files import FILE_READERS

Reader = Callable[[str], Demonstrations | None]

READERS: tuple[Reader, ...] = (
    minari.read,
    minari.read_folder,
    imitation.read_folder,
    lerobot.read,
    folder.read,
    *FILE_READERS,
)
