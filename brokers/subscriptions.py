"""Who gets what is published on a topic."""

from __future__ import annotations

from collections.abc import Sequence

from paho.mqtt.client import topic_matches_sub

from brokers.api import Identity


class Subscriptions:
    """The subscriptions of all clients of a carrier, looked up by topic: quickly, for there may be thousands."""

    def __init__(self, identities: Sequence[Identity] = ()) -> None:
        self._exact: dict[str, list[int]] = {}
        self._patterns: list[tuple[str, int]] = []
        self._found: dict[str, tuple[int, ...]] = {}
        for index, identity in enumerate(identities):
            for subscription in identity.subscriptions:
                if "+" in subscription or "#" in subscription:
                    self._patterns.append((subscription, index))
                else:
                    self._exact.setdefault(subscription, []).append(index)

    def receivers(self, topic: str) -> tuple[int, ...]:
        """The indices of the clients whose subscriptions a topic matches, each once and in their order."""
        found = self._found.get(topic)
        if found is None:
            matched = {index for pattern, index in self._patterns if topic_matches_sub(pattern, topic)}
            found = self._found[topic] = tuple(sorted(matched.union(self._exact.get(topic, ()))))
        return found
