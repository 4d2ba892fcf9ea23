"""The subcommands of `portcullis`, one file each; every one has `register(commands)`."""
