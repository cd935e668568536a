"""Signing in by phone, sessions, and the tokens that prove them."""
