"""The systemd user unit, for Linux: systemd.service(5), systemd.exec(5)."""

from pathlib import Path

import platformdirs

from fl_client.service.job import DESCRIPTION, LASTING, NICE, Job

_UNIT = """\
# Written by `fl-client service install`, taken away by `fl-client service remove`.
[Unit]
Description={description}
After=graphical-session.target
StartLimitIntervalSec=0

[Service]
Type=exec
# Through sh, since systemd takes no program whose path has a quote in it; the colon keeps variables out.
ExecStart=:/bin/sh -c "exec \\"$0\\" \\"$@\\"" {command}
{environment}Restart=on-failure
RestartPreventExitStatus={lasting}
# From ten seconds to ten minutes between starts; before systemd 254 always ten seconds.
RestartSec=10
RestartSteps=8
RestartMaxDelaySec=600
TimeoutStopSec=20
Nice={nice}
IOSchedulingClass=idle
UMask=0077
LimitCORE=0
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"""
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "%": "%%"}


class Systemd:
    name = "systemd"

    def file(self, label: str, home: Path) -> Path:
        return Path(platformdirs.user_config_dir("systemd")) / "user" / f"{label}.service"

    def text(self, job: Job) -> bytes:
        return _UNIT.format(
            description=DESCRIPTION,
            command=" ".join(map(_quoted, job.command)),
            environment="".join(f"Environment={_quoted(f'{k}={v}')}\n" for k, v in job.environment.items()),
            lasting=" ".join(map(str, LASTING)),
            nice=NICE,
        ).encode()

    def install(self, label: str, file: Path) -> list[list[str]]:
        return [["systemctl", "--user", "daemon-reload"], ["systemctl", "--user", "enable", "--now", _unit(label)]]

    def remove(self, label: str, file: Path) -> list[list[str]]:
        return [["systemctl", "--user", "disable", "--now", _unit(label)]]

    def enabled(self, label: str) -> list[str]:
        return ["systemctl", "--user", "is-enabled", "--quiet", _unit(label)]


def _unit(label: str) -> str:
    return f"{label}.service"


def _quoted(word: str) -> str:
    """One word as systemd.syntax(7) reads it: in double quotes, with C escapes and no specifier."""
    return '"' + "".join(_ESCAPES.get(letter, letter) for letter in word) + '"'
