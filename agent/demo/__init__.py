"""The demonstration: an embedded campus that writes lifelike activity, and the stage it is shown on."""
