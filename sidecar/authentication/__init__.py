"""Credentials, one file a kind: HttpRequest -> Principal."""
