"""Commands about scheduled rewards."""
