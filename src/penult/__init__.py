"""Transfer learning from the penultimate layer: folders of photos in, a calibrated classifier out."""
