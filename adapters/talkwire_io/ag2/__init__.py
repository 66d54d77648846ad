"""AG2's `OpenAIRealtimeWebRTCClient`, alive again: GA, over a session that keeps the rules.

AG2 itself is imported when the first call begins, or by `register`, and never by this module.
"""

from .client import OpenAIRealtimeWebRTCClient, register
from .config import UnusableConfig

__all__ = ["OpenAIRealtimeWebRTCClient", "UnusableConfig", "register"]
