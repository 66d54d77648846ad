"""OpenAI's Realtime protocol: the wire's vocabulary, the state machine and both ends of it."""
