"""The documents as a site: what of it is generated, and what holds all of it to the tree.

`pages/` has what people write. `stage` puts it, the folders' READMEs and the generated reference
into one folder, from which Sphinx makes the site; `make docs` is the command.
"""
