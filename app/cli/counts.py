"""Numbers of things, in words."""


def counted(number: int, one: str, several: str | None = None) -> str:
    """How many: ``1 entry``, ``2 entries``.

    Args:
        number: Of the things.
        one: What one is called.
        several: What others than one are called, where that is not ``one`` with an s.
    """
    return f"{number} {one if number == 1 else several or one + 's'}"
