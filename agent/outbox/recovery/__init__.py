"""Against the loss of a disk: persons sealed to the campus's recovery key, and the history asked back."""
