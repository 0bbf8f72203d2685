"""Recognition over HTTP: kudos, awards, likes, comments, tags, and what campuses and learners choose."""
