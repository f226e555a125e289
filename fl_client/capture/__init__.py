"""From a camera to labelled sequences: sources, one face in every frame, gates, the window buffer and the loop."""
