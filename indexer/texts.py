"""Texts of any origin, made fit to be stored."""


def storable(text: str) -> str:
    """The text as UTF-8 can hold it: halves of characters (file names, JSON) become escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
