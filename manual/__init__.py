"""Turn the code and `docs/` into the manual: generated pages, figures, pictures and the site itself.

`make docs` builds the site into `verifier_service/manual/`, where the service finds it and a wheel includes it.
"""
