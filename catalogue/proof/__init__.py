"""What proves an agent's history and brings it back: kept persons, served batches, keys, sites, rejected entries."""
