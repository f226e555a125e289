"""Enrolment over gRPC: invitations in, device keys bound."""
