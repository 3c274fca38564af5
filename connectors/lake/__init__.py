"""Files of the home: publishing objects whole, the raw documents, the lake tables."""

import os

# Arrow's other allocators keep what a large table took for the rest of the process. Said here, where nothing of Arrow
# is loaded yet; somebody's own wish goes before ours.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
