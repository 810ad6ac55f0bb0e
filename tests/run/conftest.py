from stage import at_most_a_minute, dies, raises, stage

__all__ = ["at_most_a_minute", "dies", "raises", "stage"]
