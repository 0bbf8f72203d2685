"""From `[[challenge]]` to rules, and to sentences. Pure."""
