"""The launchd agent, for macOS: launchd.plist(5)."""

import os
import plistlib
from pathlib import Path

from fl_client.service.job import LASTING, NICE, Job

_PREFIX = "org.attune."
# launchd starts a program again after any exit but 0 and knows no codes: a lasting one is therefore passed on as 0.
_KEEPER = """\
"$0" "$@" &
child=$!
trap 'kill -TERM "$child"' TERM INT
wait "$child"; code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
case "$code" in {lasting}) exit 0 ;; *) exit "$code" ;; esac
"""


class Launchd:
    name = "launchd"

    def file(self, label: str, home: Path) -> Path:
        return Path.home() / "Library" / "LaunchAgents" / f"{_PREFIX}{label}.plist"

    def text(self, job: Job) -> bytes:
        return plistlib.dumps(
            {
                "Label": _PREFIX + job.label,
                "ProgramArguments": [
                    "/bin/sh",
                    "-c",
                    _KEEPER.format(lasting="|".join(map(str, LASTING))),
                    *job.command,
                ],
                "EnvironmentVariables": job.environment,
                "RunAtLoad": True,
                "KeepAlive": {"SuccessfulExit": False},
                "ThrottleInterval": 60,
                "ExitTimeOut": 20,
                "ProcessType": "Background",
                "LowPriorityIO": True,
                "Nice": NICE,
                "Umask": 0o077,
                "HardResourceLimits": {"Core": 0},
                "SoftResourceLimits": {"Core": 0},
                "LimitLoadToSessionType": "Aqua",
            }
        )

    def install(self, label: str, file: Path) -> list[list[str]]:
        return [["launchctl", "bootstrap", _domain(), str(file)]]

    def remove(self, label: str, file: Path) -> list[list[str]]:
        return [["launchctl", "bootout", f"{_domain()}/{_PREFIX}{label}"]]

    def enabled(self, label: str) -> list[str]:
        return ["launchctl", "print", f"{_domain()}/{_PREFIX}{label}"]


def _domain() -> str:
    return f"gui/{os.getuid()}"
