"""Exit codes, and the one sentence that goes with each."""

import click

OK = 0
JOB_FAILED = 1
USAGE = 2
NOT_FOUND = 3
NOT_AUTHORISED = 4
UNREACHABLE = 5
CONFLICT = 6
PENDING = 8
INTERRUPTED = 130


def code_of(error: Exception) -> int | None:
    """Give the exit code for an error a user can act on; None for a bug."""
    from ganforge import errors
    from ganforge.jobs import JobFailed

    if isinstance(error, errors.UnknownName):
        return _code_of_unknown(error)
    codes: tuple[tuple[type[Exception], int], ...] = (
        (JobFailed, JOB_FAILED),
        (errors.Diverged, JOB_FAILED),
        (errors.BadInput, USAGE),
        (errors.IdempotencyKeyReused, USAGE),
        (errors.TooLarge, USAGE),
        (errors.NotFound, NOT_FOUND),
        (errors.NotAuthenticated, NOT_AUTHORISED),
        (errors.NotAllowed, NOT_AUTHORISED),
        (errors.Unreachable, UNREACHABLE),
        (errors.ServerFailed, UNREACHABLE),
        (errors.Conflict, CONFLICT),
        (errors.GanforgeError, JOB_FAILED),
    )
    return next((code for kind, code in codes if isinstance(error, kind)), None)


def _code_of_unknown(error: Exception) -> int:
    """Tell a misspelt key (usage) from a network or dataset that is not there."""
    wrong = getattr(error, "members", {}).get("errors") or [{}]
    is_key = str(wrong[0].get("pointer", "")).startswith("/config")
    return USAGE if is_key else NOT_FOUND


def tell(sentence: str, code: int) -> int:
    """Say what is wrong, and give the code back."""
    click.echo(f"error: {sentence}", err=True)
    return code


def tell_usage(error: click.UsageError) -> int:
    """Say what is wrong with a command line, and where its help is."""
    words = error.format_message()
    first = words.split(" ", 1)[0]
    # A sentence of click's begins with a capital; a name that begins one keeps its own.
    sentence = (words[:1].lower() + words[1:] if first.isalpha() else words).rstrip(".")
    command = error.ctx.command_path if error.ctx is not None else "ganforge"
    return tell(f"{sentence}   (see: {command} --help)", USAGE)
