"""The gate of a wheel: its hygiene, what it does beside others, what a release changes, and what of that blocks it."""
