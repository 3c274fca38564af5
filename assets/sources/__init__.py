"""The sources that nights come from: what each has of its own, and the one list of them."""
