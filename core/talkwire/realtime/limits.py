"""The limits of the wire (§3.10), for both ends of it."""

import re

MAX_EVENT_ID = 512
"""Characters of an `event_id`."""
ITEM_ID = re.compile(r"[a-zA-Z0-9_-]{1,32}")
"""What a client may call an item (livekit/agents#1717)."""
MAX_APPEND = 15 * 1024 * 1024
"""Characters of base64 in one append: the stricter reading of "15 MiB"."""
MAX_METADATA_PAIRS = 16
