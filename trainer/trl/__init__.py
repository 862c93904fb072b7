"""TRL's side: its names, its arguments, its trainer."""
