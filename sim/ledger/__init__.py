"""The complete record of a run: every message, decision and fault, and the folder they become."""
