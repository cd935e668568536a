"""The chat log: sending, changing, reading and searching messages."""
