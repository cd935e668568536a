"""auth-service: who somebody is, and the sessions and credentials that prove it."""
