"""The carriers of bytes: an in-memory broker, a real Mosquitto, an embedded broker."""
