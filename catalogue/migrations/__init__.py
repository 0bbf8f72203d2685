"""The schema's upgrades, in order; `catalogue.store` runs them."""
