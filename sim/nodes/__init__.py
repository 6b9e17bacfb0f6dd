"""Cameras, gateways and the cloud, and the fabric that carries their messages."""
