"""What the bot does: one module per capability. Thin: read the message, call a service, word the reply."""
