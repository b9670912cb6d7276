"""The cases of the fixtures, by format."""
