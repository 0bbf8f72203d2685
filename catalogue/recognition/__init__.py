"""Recognition: kudos from learner to learner and awards, what is said of them, and who may see it."""
