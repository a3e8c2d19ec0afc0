"""Demo."""


async def run_demo(*, keep: bool) -> bool:
    """Run."""
    return keep
