"""Functions with type hints, as tools a model may call.

`tool` reads a function's signature once, when it is defined: the schema the model sees and the
validation of what the model sends come from the same types, so they cannot drift apart.
`Tools.running` runs the calls of one session, and every call gets an answer, because one without
leaves the caller in silence. What went wrong inside is for your log; the model, and so the caller,
hears only that it did.
"""

from .context import Connection, ToolContext
from .running import Answer, Running
from .tool import Tool, tool
from .toolbox import Tools

__all__ = ["Answer", "Connection", "Running", "Tool", "ToolContext", "Tools", "tool"]
