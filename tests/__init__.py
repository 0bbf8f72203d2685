"""Every promise of the project as a sentence that can fail."""
