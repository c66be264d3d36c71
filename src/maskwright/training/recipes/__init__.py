"""The recipes: what was trained, on what, by which command, in how long, with which score."""
