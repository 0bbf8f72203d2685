"""Tails the Moodle log table: pages, proof, gaps, anchors, look-ups; one file per dialect."""
