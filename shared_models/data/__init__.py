"""Label schemes, data sets, faces, transforms and partitions."""
