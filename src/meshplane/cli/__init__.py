"""The command line: a file per service, each talking to the server over HTTP alone."""
