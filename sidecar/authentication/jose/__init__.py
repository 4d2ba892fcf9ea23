"""JSON Web Tokens: the strict front door, issuers' keys, signatures, claims."""
