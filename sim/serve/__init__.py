"""The web page of a run: shows what a `Telemetry` tells, and hands on what a person wants of it. Speaks HTTP, no MQTT.

It needs the extra `fogfleet[serve]`.
"""

from sim.serve.access import Access, loopback
from sim.serve.server import Page, open_page

__all__ = ["Access", "Page", "loopback", "open_page"]
