"""What fails a job and is the learner's machine's fault, not the job's: a full disk, say."""

import logging

from ganforge.wire.jobs import JobError

logger = logging.getLogger(__name__)


def failure(error: OSError) -> JobError:
    """Tell of an error for an attempt that fails by it; the next one may be elsewhere, or later."""
    detail = f"the learner's machine failed, look at its disk: {error}"
    logger.error("this machine failed: look at its disk", extra={"why": str(error)})
    return JobError(slug="machine-failed", detail=detail[:2000])
