"""Building the image and running it, with Docker or with Debian's programs alone."""
