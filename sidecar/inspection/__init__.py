"""Inspectors, one file each: Prompt -> Findings."""
