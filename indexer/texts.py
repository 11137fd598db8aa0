"""Texts of any origin, made fit to be stored and shown."""


def storable(text: str) -> str:
    """The text as UTF-8 can hold it: halves of characters (file names, JSON) become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def terminal_safe(text: str) -> str:
    """The text without what could steer a terminal or break its line: file names may hold any character."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
