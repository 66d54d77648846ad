"""One realtime voice session as a state machine: bring your own I/O.

`Session` is the client's side of OpenAI's Realtime protocol, `Relay` the same behind a browser
page, `talkwire.service.Service` the other end of the wire. Nothing here does I/O;
`talkwire_io` does.
"""

from .errors import LocalProtocolError, ProtocolError, UnreadableError
from .hop import Hop, PageEvent, PageHello, PageLeft, PageOffer, PageReady, PageText
from .realtime import commands, events, translation
from .realtime.beta import Dialect, ga_type
from .realtime.calls import CallRecord, Calls, Respond
from .realtime.classify import ErrorClass, classify
from .realtime.commands import Command
from .realtime.continuation import Retold
from .realtime.conversation import Conversation, ConversationItem
from .realtime.events import ErrorDetails
from .realtime.gate import ResponseGate
from .realtime.happenings import (
    Anomaly,
    CommandSettled,
    ConfigurationDrift,
    ConfigurationLost,
    Event,
    FunctionCall,
    FunctionCallCut,
    Interrupted,
    InvalidFrame,
    McpApprovalRequested,
    Outcome,
    RestartAdvised,
    SessionClosed,
    SessionExpiring,
    TimedOut,
    UnknownEvent,
)
from .realtime.ids import IdFactory, counter
from .realtime.items import ContentPart, Item, Response, Usage
from .realtime.json_values import JsonObject
from .realtime.kind import Kind
from .realtime.mcp import McpApproval, McpBook, McpItem
from .realtime.plane import DIRECT, PARTIAL, RELAY, SIDEBAND, Plane
from .realtime.service_wire import read_command
from .realtime.session import Session
from .realtime.settings import Settings
from .realtime.state import Approval, Gate, Mcp, Phase
from .realtime.usage import Allowance, SessionUsage
from .relay import Relay
from .timers import Timer

__all__ = [
    "DIRECT",
    "PARTIAL",
    "RELAY",
    "SIDEBAND",
    "Allowance",
    "Anomaly",
    "Approval",
    "CallRecord",
    "Calls",
    "Command",
    "CommandSettled",
    "ConfigurationDrift",
    "ConfigurationLost",
    "ContentPart",
    "Conversation",
    "ConversationItem",
    "Dialect",
    "ErrorClass",
    "ErrorDetails",
    "Event",
    "FunctionCall",
    "FunctionCallCut",
    "Gate",
    "Hop",
    "IdFactory",
    "Interrupted",
    "InvalidFrame",
    "Item",
    "JsonObject",
    "Kind",
    "LocalProtocolError",
    "Mcp",
    "McpApproval",
    "McpApprovalRequested",
    "McpBook",
    "McpItem",
    "Outcome",
    "PageEvent",
    "PageHello",
    "PageLeft",
    "PageOffer",
    "PageReady",
    "PageText",
    "Phase",
    "Plane",
    "ProtocolError",
    "Relay",
    "Respond",
    "Response",
    "ResponseGate",
    "RestartAdvised",
    "Retold",
    "Session",
    "SessionClosed",
    "SessionExpiring",
    "SessionUsage",
    "Settings",
    "TimedOut",
    "Timer",
    "UnknownEvent",
    "UnreadableError",
    "Usage",
    "classify",
    "commands",
    "counter",
    "events",
    "ga_type",
    "read_command",
    "translation",
]
