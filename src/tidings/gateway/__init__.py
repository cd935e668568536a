"""The policy behind Envoy: who may pass, how often, and as whom."""
