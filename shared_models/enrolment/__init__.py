"""What joins a device to a federation: the invitation, the gRPC protocol, certificates and keys."""
