"""Where encoded images lie: folders, tar and zip files, Parquet with images in it, object stores.

In: a path or an address. Out: the members in a fixed order, each with a name, and their bytes. It decodes nothing.
"""
