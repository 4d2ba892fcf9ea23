"""What a limit is, the arithmetic of buckets, and the stores that keep them."""
