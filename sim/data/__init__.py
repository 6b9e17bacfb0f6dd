"""Where images come from: generated scenes, multi-view files, folders, images cut into views, or a user's function."""

from sim.data.dataset import Dataset
from sim.data.sources import load

__all__ = ["Dataset", "load"]
