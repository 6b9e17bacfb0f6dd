"""Measured figures; nothing here is installed."""
