"""A bounded run in which everything goes wrong at once, and the proof that every visit was kept exactly once."""
