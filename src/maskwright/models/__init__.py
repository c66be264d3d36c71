"""The four papers, a folder each; papers never import each other, they share through `layers`.

Every folder exports `Config`, `build`, `infer_config`, `convert` and `DROPPED`.
"""
