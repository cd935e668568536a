"""The machinery behind `tidings up`: the five embedded stores, Envoy, and the supervisor that keeps all alive."""
