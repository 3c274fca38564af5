"""Files of the home: publishing objects whole, the raw documents, the lake tables."""
