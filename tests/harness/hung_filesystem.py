"""A file system that does not answer, like a network file system whose server is gone."""

import ctypes
import os

_DETACH = 2  # MNT_DETACH


class HungFilesystemMissing(RuntimeError):
    """The kernel or the container does not allow such a mount."""


class HungFilesystem:
    """Mounted at its own directory. Access to a file in it hangs until close() or until SIGKILL."""

    def __init__(self, workspace, name):
        self.directory = workspace.directory(name)
        self._library = ctypes.CDLL(None, use_errno=True)
        try:
            self._device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise HungFilesystemMissing(f"/dev/fuse: {error}") from error
        # No process reads the requests.
        options = f"fd={self._device},rootmode=40000,user_id=0,group_id=0,allow_other"
        if self._library.mount(b"hung", self.directory.encode(), b"fuse", 0, options.encode()) != 0:
            os.close(self._device)
            raise HungFilesystemMissing(f"mount: {os.strerror(ctypes.get_errno())}")
        workspace.on_close(self.close)

    def close(self):
        if self._device is None:
            return
        self._library.umount2(self.directory.encode(), _DETACH)
        os.close(self._device)
        self._device = None
