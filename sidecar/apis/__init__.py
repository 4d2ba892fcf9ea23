"""The LLM APIs whose requests we can read, one file each: bytes -> Prompt."""
