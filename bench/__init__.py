"""Loads that anyone can run against a system."""
