"""The counter on Oracle Cloud."""
