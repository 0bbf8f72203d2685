"""Recognition: kudos from learner to learner and awards by hand, what is said of them, and who may see it."""
