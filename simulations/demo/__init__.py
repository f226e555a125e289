"""`make demo`: one server and four devices as real processes on this machine, from rendered webcams to report."""
