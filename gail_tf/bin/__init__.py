"""The commands. Importing the package gives NumPy's products one thread, unless OPENBLAS_NUM_THREADS is set.

Policies act in NumPy while they collect and are evaluated. Their products are small: a second thread takes
longer than it saves (docs/speed.md), and where a product is split its last bits change.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read once, when NumPy is imported
