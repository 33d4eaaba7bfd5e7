"""How the build writes its files."""

import os


def write(path, content):
    """All or nothing, should the build be stopped."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(path)
