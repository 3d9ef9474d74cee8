"""Runs the counter on a laptop as on Azure."""
