"""What the same network would do at other thresholds, and what each camera would say alone; no faults, no links."""
