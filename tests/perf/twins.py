from strategies.full import Full


class FullTwin(Full):
    """The reference under another name."""

    name = "full_twin"
