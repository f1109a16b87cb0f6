"""Graph-based retrieval with hippocampal indexing: documents in, ranked passages out.

>>> from hippograph import HippoGraph
>>> HippoGraph("wiki.hippo").directory.name
'wiki.hippo'
"""

import logging

from hippograph.errors import HippographError, IndexDirectoryError, InputError
from hippograph.hippograph import HippoGraph
from hippograph.types import Document, Hit, Passage, Ranking

__all__ = [
    "Document",
    "HippoGraph",
    "HippographError",
    "Hit",
    "IndexDirectoryError",
    "InputError",
    "Passage",
    "Ranking",
]

logging.getLogger("hippograph").addHandler(logging.NullHandler())
