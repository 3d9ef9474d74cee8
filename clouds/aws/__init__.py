"""The counter on AWS."""
