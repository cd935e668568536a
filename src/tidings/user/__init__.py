"""People: profiles, contacts, blocks, privacy, push targets and presence."""
