"""The studio: label photos in the browser, with a model after each label, and go on to a trained model.

In: photos, with some labels or none. Out: labels that are safe on the disk, a run folder, exports. `session` is the one
writer; `quick_model` and `questions` choose what is asked; `project` knows the photos; `app` answers the page. Needs the
extra `studio`.
"""

from penult.studio.options import StudioOptions

__all__ = ["StudioOptions"]
