"""The rewards sidecar: sees, decides, remembers, delivers."""

__version__ = "0.1.0"
