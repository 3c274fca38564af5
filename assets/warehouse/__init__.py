"""The warehouse layer: lake tables loaded for analysts."""
