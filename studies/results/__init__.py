"""What came of a study: data frames, files and networks; never a terminal."""
