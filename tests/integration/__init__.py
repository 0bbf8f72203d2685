"""Several rooms together, on real servers, files and sockets."""
