"""Frame sources, the window buffer and the capture loop."""
