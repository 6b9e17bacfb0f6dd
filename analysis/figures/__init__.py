"""The figures of the reports, by what they answer.

Each function returns a `Plot`, or None where there is nothing to show.
"""
