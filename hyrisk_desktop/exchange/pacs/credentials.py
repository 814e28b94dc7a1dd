"""Passwords and tokens of nodes: in the system's keyring, and nowhere else."""

from __future__ import annotations

from hyrisk_desktop.errors import PacsError
from hyrisk_desktop.exchange.pacs.node import Node
from hyrisk_desktop.i18n import tr

_SERVICE = "HyRisk Desktop PACS"


def password(node_name: str) -> str | None:
    """The password or token kept for a node, None where there is none.

    Raises:
        PacsError: the system's keyring can't be opened.
    """
    import keyring

    try:
        return keyring.get_password(_SERVICE, node_name)
    except Exception as e:  # keyring's backends raise of every kind
        raise _no_keyring() from e


def set_password(node_name: str, secret: str) -> None:
    """Keep a password or token; "" forgets it.

    Raises:
        PacsError: the system's keyring can't be opened.
    """
    import keyring
    import keyring.errors

    try:
        if secret:
            keyring.set_password(_SERVICE, node_name, secret)
        elif keyring.get_password(_SERVICE, node_name) is not None:
            keyring.delete_password(_SERVICE, node_name)
    except Exception as e:
        raise _no_keyring() from e


def secret_of(node: Node) -> str | None:
    """The password or token of a node that may need one; the keyring may ask, so not on the GUI thread.

    Raises:
        PacsError: the node names a user, and the keyring can't be opened.
    """
    if not node.is_web:
        return None
    try:
        return password(node.name)
    except PacsError:
        if node.user:
            raise
        # A service without user and token does without a keyring too.
        return None


def _no_keyring() -> PacsError:
    return PacsError(
        "no_keyring",
        tr(
            "This system's keyring can't be opened, so no password can be kept or read; unlock or install one (on Linux a Secret Service)."
        ),
    )
