"""The Virtual Observatory: archives by their protocols, and programs on this machine by SAMP; needs the extra `archive`."""
