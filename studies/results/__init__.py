"""Read a finished or running study: data frames, files and networks; never a terminal."""
