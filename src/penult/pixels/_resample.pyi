from typing_extensions import Buffer

def resample(
    rgb: Buffer,
    pixels: Buffer | object,
    step: int,
    picture: tuple[int, int],
    resized: tuple[int, int],
    corner: tuple[int, int],
    size: int,
    bicubic: bool,
    down_first: bool,
    /,
) -> None: ...
def vectors(wanted: object, /) -> bool: ...
