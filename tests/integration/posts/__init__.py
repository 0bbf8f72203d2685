"""The door and the inbox, over real HTTP and on a real disk."""
