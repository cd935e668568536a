"""The media service: files come in, are checked and cleaned, and are shown to who may see them."""
