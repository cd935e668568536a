"""The notification service: tells people's phones what they missed, once, and only what is still unread."""
