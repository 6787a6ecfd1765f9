"""For every unit test: hypothesis may take its time on a busy machine."""

from hypothesis import settings

settings.register_profile("rushes", deadline=None)
settings.load_profile("rushes")
