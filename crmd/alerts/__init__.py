"""What crmd tells by itself when something needs a person."""
