"""Sockets: every frame of the contract, fan-out of the chat log, presence and typing."""
