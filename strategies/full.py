from strategies.strategy import Strategy


class Full(Strategy):
    """Nothing is frozen: the reference that every ratio is against.

    It saves nothing. The frozen part moves, so it is never a way of freezing.
    """

    name = "full"
