"""The student's side: capture, store, consent, private training and the node loop."""
