"""The verb `synthesize matting`: composites with their truth."""


def matting() -> int:
    """Composite foregrounds on backgrounds: photo, alpha, trimap and foreground of each."""
    return 0
