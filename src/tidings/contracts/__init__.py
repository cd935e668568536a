"""What crosses a boundary: REST bodies, frames, events, errors and limits, as msgspec Structs.

Imports nothing of ours. The meaning of every field is in docs/protocol.md.
"""
