"""One module a format. A reader looks into what ``path`` names and reads it, or returns None to pass it on.

To add a format, write a module with ``read(path) -> Demonstrations | None`` and put it into READERS. A format
whose rows are like D4RL's only has to find its arrays: ``d4rl.from_fields`` does the rest.
"""

from collections.abc import Callable

from gail_tf.demonstrations.demonstrations import Demonstrations
from gail_tf.demonstrations.readers import d4rl, folder, minari, own

Reader = Callable[[str], Demonstrations | None]

READERS: tuple[Reader, ...] = (minari.read, folder.read, own.read, d4rl.read)
