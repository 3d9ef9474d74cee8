"""The counter itself, with no cloud in sight: what it answers, what it keeps, and what it reports."""
