"""What can be wrong with the stack, in words for the person who started it."""


class StackError(Exception):
    """The stack cannot do what was asked; the message is for the terminal."""


class StartFailed(StackError):
    """A process ended or did not become ready in time; the message ends with its last lines."""


class CommandFailed(StackError):
    """A command that prepares a service ended with an error; its last lines are included."""


class PortBusy(StackError):
    """Another process listens on the port."""


class StackRunning(StackError):
    """Another stack uses the state folder."""


class StackNotRunning(StackError):
    """No stack uses the state folder, or it is not ready yet."""


class NotStateFolder(StackError):
    """The folder that was named as the state folder holds other things."""


class FolderClosed(StackError):
    """The database's user cannot use a folder."""


class ProductionSetting(StackError):
    """The local issuer is asked for where a real installation runs."""


class TokenRefused(StackError):
    """The issuer gave no token."""


class KeysGone(StackError):
    """The file with the keys of personal data is missing beside a database that needs it."""


class OutageRefused(StackError):
    """The outage that was asked for cannot be."""


class SeedRefused(StackError):
    """The platform did not take what a new stack begins with."""


class BackupRefused(StackError):
    """The backup cannot be made there, or is not what can be restored."""
