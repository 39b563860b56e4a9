"""The parts of the page, in the order in which they are read; each is a function from `RunResults` and `Album` to markup.

A part that has nothing to say is None: it is left out, not empty.
"""

from penult.report.sections import audit, facts, gallery, header, matrix, measures, tellmap, todo

ORDER = (
    header.section,
    todo.section,
    matrix.section,
    gallery.section,
    matrix.classes,
    measures.section,
    measures.compared,
    tellmap.section,
    audit.section,
    facts.section,
)

__all__ = ["ORDER"]
