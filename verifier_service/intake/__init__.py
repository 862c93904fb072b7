"""What is let in: read in slices, within shares, and given back."""
