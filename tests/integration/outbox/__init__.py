"""The outbox against a catalogue that misbehaves in every known way."""
