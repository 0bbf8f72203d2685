"""The door: who may post, how much, and the answer once a post is safe."""
