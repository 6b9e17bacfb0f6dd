"""FogFleet: a camera fleet that runs one distributed deep neural network over a real MQTT broker."""
