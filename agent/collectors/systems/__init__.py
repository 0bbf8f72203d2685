"""What each system's payloads mean: pure, one file per system, payload to Observation."""
