"""What a decision rests on, and what a pull request changes in meaning."""
