"""A user's own training, watched for a few steps: what moved, what did not, and why."""

from __future__ import annotations

from bench.audit.subject import AuditError, Subject, World

__all__ = ["AuditError", "Subject", "World"]
