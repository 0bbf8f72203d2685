"""The catalogue as a service on somebody's server."""
