"""The stage of the demonstration: real processes around the campus, what is shown of them, and the closing proof."""
