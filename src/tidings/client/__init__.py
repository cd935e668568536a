"""The Python SDK: so far its sync core without I/O and the local store."""
