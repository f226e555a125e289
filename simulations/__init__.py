"""Local multi-client simulation with the client's and server's own code."""
