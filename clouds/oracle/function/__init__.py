"""The part of the function that is specific to Oracle Cloud."""
