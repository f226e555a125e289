"""What must hold of the stores of devices with cameras after any kill, and of everything that these wrote."""

import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fl_client.keys import open_vault
from fl_client.store import Store
from fl_client.stored_sequence import Damaged, StoredSequence
from shared_models.errors import AttuneError, KeyStoreError
from tests.kills.laptop import digest
from tests.kills.world import Violation, World
from tests.plaintext import files_holding

_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\x00\x10JFIF", b"\xff\xd8\xff\xdb\x00\x43", b"\x93NUMPY")
_ELSEWHERE = ("tmp", "state")  # below the world's folder: where temporary files and error logs go
_NEEDLE_BYTES, _NEEDLES, _FEWEST_GRAYS = 16, 8, 6


@dataclass
class Deletion:
    """What was to be deleted, a copy of the store from before, and whether the command came to its end."""

    ids: frozenset[str]
    copy: Path
    done: bool = False


@dataclass
class Stores:
    """Compares the stores with what was seen going in and with what was deleted."""

    world: World
    deletions: dict[str, list[Deletion]] = field(default_factory=dict)
    needles: set[bytes] = field(default_factory=set)
    """Pieces of every face crop that was ever stored."""

    def to_delete(self, name: str, most: int) -> Deletion | None:
        """The oldest sequences of a device, to be deleted now; None where there is nothing."""
        asked = {one for deletion in self.deletions.get(name, []) for one in deletion.ids}
        ids = [one for one in self._noted(name, "added") if one not in asked][:most]
        if not ids:
            return None
        copy = self.world.root / "copies" / f"{name}-{len(self.deletions.get(name, []))}"
        copy.mkdir(parents=True)
        with self.world.standing_still(name):
            shutil.copytree(self.world.homes[name].store, copy / "store")
        deletion = Deletion(frozenset(ids), copy)
        self.deletions.setdefault(name, []).append(deletion)
        return deletion

    def check(self, dead: str) -> None:
        """Raises Violation where the store of `dead`, which was just killed, is not what it must be."""
        if not (self.world.homes[dead].store / "index.sqlite").exists():
            return
        found = self._opened(dead)
        damaged = [one for one in found if isinstance(one, Damaged)]
        if damaged:
            raise Violation(f"a sequence of {dead} cannot be opened: {damaged[0].why}")
        kept = {one.id: one for one in found if isinstance(one, StoredSequence)}
        self._nothing_is_lost(dead, set(kept))
        going_in = Counter(self._noted(dead, "adding"))
        if Counter(digest(one.frames) for one in kept.values()) - going_in:
            raise Violation(f"{dead} stored something else than it was given")
        for one in kept.values():
            self._remember(one)

    def check_files(self) -> None:
        """Raises Violation where a piece of a face, or a picture of any kind, lies in a file, whoever runs."""
        folders = [*(home.root for home in self.world.homes.values()), *map(self.world.root.joinpath, _ELSEWHERE)]
        for path in files_holding((*_PICTURES, *self.needles), folders):
            raise Violation(f"a face lies open in {path.relative_to(self.world.root)}")

    def check_copy(self, name: str, deletion: Deletion) -> None:
        """Raises Violation where a copy from before a deletion still opens with the keys that are left."""
        shutil.copy(self.world.homes[name].root / "keys.json", deletion.copy)
        try:
            Store(deletion.copy / "store", open_vault(deletion.copy)).close()
        except KeyStoreError:
            shutil.rmtree(deletion.copy)
        else:
            raise Violation(f"a copy of the store of {name} from before a deletion still opens")

    def _nothing_is_lost(self, name: str, kept: set[str]) -> None:
        must = set(self._noted(name, "added"))
        for deletion in self.deletions.get(name, []):
            must -= deletion.ids
            left = deletion.ids & kept
            if left and (deletion.done or left != deletion.ids):
                raise Violation(f"{len(left)} of {len(deletion.ids)} deleted sequences of {name} are still there")
        if not must <= kept:
            raise Violation(f"{name} lost {len(must - kept)} of {len(must)} stored sequences")

    def _opened(self, name: str) -> list[StoredSequence | Damaged]:
        """What a copy of the store holds: the one that was killed is left for its own next start to tidy up."""
        copy = self.world.root / "opened"
        copy.mkdir()
        try:
            shutil.copy(self.world.homes[name].root / "keys.json", copy)
            shutil.copytree(self.world.homes[name].store, copy / "store")
            with Store(copy / "store", open_vault(copy)) as store:
                return list(store.each())
        except AttuneError as error:
            raise Violation(f"the store of {name} does not open: {error}") from error
        finally:
            shutil.rmtree(copy)

    def _remember(self, sequence: StoredSequence) -> None:
        pixels = sequence.frames.tobytes()
        for start in range(0, len(pixels), len(pixels) // _NEEDLES):
            needle = pixels[start : start + _NEEDLE_BYTES]
            if len(set(needle)) >= _FEWEST_GRAYS:
                self.needles.add(needle)

    def _noted(self, name: str, kind: str) -> list[str]:
        path = self.world.notes(name) / "stored"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.split()[1] for line in lines if line.startswith(f"{kind} ")]
