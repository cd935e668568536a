"""Chats: who takes part, what they may do, and `/sync`."""
