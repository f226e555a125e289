"""`fl-client run`: what the program does for one device, from waiting for consent to telling that it has left."""

import threading
from collections.abc import Callable
from pathlib import Path

from fl_client.capture.finder import face_finder
from fl_client.capture.sources import open_source
from fl_client.consent import ConsentBook, State
from fl_client.daemon import Daemon
from fl_client.home import Enrolment, Home, Identity, load_enrolment
from fl_client.journal import open_journal
from fl_client.keys import KeyVault, open_vault
from fl_client.labels import LabelScript
from fl_client.leave import leave
from fl_client.settings import load_settings
from fl_client.store import Quota, Store
from fl_client.waiting import asks_anew, wait_for_consent
from fl_client.withdrawal import tell_until_heard
from shared_models.data.labels import scheme_by_name
from shared_models.errors import ConsentError, PolicyError
from shared_models.files import only_one


class Running:
    """One program at work, until `stop` or until its owner has left and the server has heard it."""

    def __init__(
        self,
        home: Home,
        camera: str,
        script: Path | None,
        ask: Callable[[str], str],
        say: Callable[[str], None],
        warn: Callable[[str], None],
    ) -> None:
        """script: labels that stand for taps, as a CSV file
        ask:    gets a passphrase
        say:    tells the owner what happens
        warn:   tells the owner, once, what a part of the program waits for

        Raises EnrolmentError where the device is not enrolled, SettingsError where its settings are wrong.
        """
        load_enrolment(home)
        self._retry_seconds = load_settings(home.settings).node.retry_seconds
        self._home, self._camera, self._script = home, camera, script
        self._ask, self._say, self._warn = ask, say, warn
        self._stop = threading.Event()
        self._daemon: Daemon | None = None

    def stop(self) -> None:
        """May be called from a signal's handler."""
        self._stop.set()
        if self._daemon is not None:
            self._daemon.stop()

    def run(self) -> None:
        """Raises what `Daemon.run` raises, but for terms that changed: it waits for the owner's word then."""
        if ConsentBook(self._home.root).current().state is not State.WITHDRAWN:
            vault = open_vault(self._home.root, self._ask)
            with only_one(self._home.lock, f"The device in {self._home.root}"):
                self._work(vault)
        elif not self._home.withdrawal.exists():
            self._say("You have left this study: there is nothing to run.")
        if self._home.withdrawal.exists():
            self._say("You have left. This program only waits for the study's server to hear it; Ctrl-C ends it.")
        tell_until_heard(self._home, self._retry_seconds, self._stop)

    def _work(self, vault: KeyVault) -> None:
        identity = Identity.load(self._home, vault)
        while enrolment := wait_for_consent(self._home, identity, self._stop, self._say):
            try:
                self._take_part(vault, identity, enrolment)
                return
            except (ConsentError, PolicyError) as error:
                if not asks_anew(self._home):
                    raise
                self._say(str(error))

    def _take_part(self, vault: KeyVault, identity: Identity, enrolment: Enrolment) -> None:
        settings = load_settings(self._home.settings)
        scheme = scheme_by_name(enrolment.policy.scheme)
        script = LabelScript.read(self._script, scheme) if self._script else LabelScript([])
        journal = open_journal(self._home, vault, enrolment, identity)
        source, finder = open_source(self._camera, settings.capture.fps), face_finder(settings.capture)
        quota = Quota(enrolment.policy.max_sequences, settings.store.max_bytes)
        with Store(self._home.store, vault, quota) as store:
            self._daemon = Daemon(
                self._home,
                settings,
                enrolment,
                identity,
                store,
                journal,
                source,
                finder,
                script,
                lambda: leave(self._home, vault, enrolment, identity),
                self._warn,
            )
            if not self._stop.is_set():
                self._say(f"Device {enrolment.pseudonym} is running. Ctrl-C stops it, `fl-client pause` pauses it.")
                if settings.page.on:
                    self._say("`fl-client page` opens its page in your browser.")
                self._daemon.run()
