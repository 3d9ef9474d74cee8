"""The clouds that the counter runs on, and the owner's commands."""
