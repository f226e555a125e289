"""The models of past rounds: which there are, which is handed out, and going back to one."""
