"""The measurements behind the README's numbers: ratios taken in one run on one machine, never bare times."""
