"""A user's own training, watched for a few steps: what moved, what did not, and why."""

from __future__ import annotations

from bench.audit.audit import audit
from bench.audit.door import audit_training
from bench.audit.rewound import Rewound
from bench.audit.subject import AuditError, Subject, World

__all__ = ["AuditError", "Rewound", "Subject", "World", "audit", "audit_training"]
