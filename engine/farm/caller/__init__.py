"""One session as a person would have it: says its lines, hears answers out, cuts in; and tells what came of it."""

from engine.farm.caller.call import run_call
from engine.farm.caller.files import CollectingSink, FileSink, FolderSink
from engine.farm.caller.watch import Watch

__all__ = ["CollectingSink", "FileSink", "FolderSink", "Watch", "run_call"]
