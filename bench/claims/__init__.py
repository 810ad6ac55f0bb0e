"""What a forum thread and an article say about freezing, each measured and answered."""
