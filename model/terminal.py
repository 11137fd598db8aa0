"""What may be shown on a terminal."""


def terminal_safe(text: str) -> str:
    """The text without what could steer a terminal or break its line: names may hold any character."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
